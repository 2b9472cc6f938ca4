/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_DOORS_CLIENT_H
#define HAWSER_BROKER_DOORS_CLIENT_H

#include "broker/core/approvals.h"

/*
 * Who stands at a door: the client of core that belongs to a connection, made anew when its configuration changes. Its
 * variables come from the thin client, which is asked only for names that the configuration has.
 *
 *   check() -> READY            get() is the client
 *           -> WANTS_VARIABLES  bring() the values of variables(), then check() again
 *           -> FAULTY           fault() says what is wrong with the configuration, for a person
 */
struct door_client;
enum door_client_state { DOOR_CLIENT_READY, DOOR_CLIENT_WANTS_VARIABLES, DOOR_CLIENT_FAULTY };

/* from: as the thin client says it, which is looked at here; it knows no state_dir. */
int door_client_new(struct core *core, const struct config_from *from, struct door_client **ret,
		    struct error *err) _must_check_;
struct door_client *door_client_free(struct door_client *d);
/* Must files be read that would hold the loop? Then they are read on another thread, and done is called when check()
 * can do without it; check() may be called before all the same. */
bool door_client_load(struct door_client *d, void (*done)(void *user), void *user);
/* Looks at the files; cheap when they have not changed. */
enum door_client_state door_client_check(struct door_client *d);
/* The last client that was ready; NULL: there was none. */
struct client *door_client_get(const struct door_client *d);
/* The broker ends: another one will have to serve what comes now. */
bool door_client_stops(const struct door_client *d);
const char *door_client_fault(const struct door_client *d);
/* Names whose values were never asked for, NULL-terminated; borrowed until the next call. */
const char *const *door_client_variables(struct door_client *d);
/* values: array of "K=V" for those that are set. */
int door_client_bring(struct door_client *d, const json_t *values, struct error *err) _must_check_;
/* The roots of who stands here: text of core/roots.h, or NULL. */
int door_client_set_roots(struct door_client *d, const char *roots) _must_check_;
/* Is there a server that is told them? */
bool door_client_wants_roots(const struct door_client *d);
/* Who stands here can be asked: about runs and calls of this connection or, follows_all, about everybody's of the
 * subject. At most one at a time; it ends with the client. */
int door_client_ask(struct door_client *d, bool follows_all, const struct approver_events *events, void *user,
		    struct error *err) _must_check_;
struct approver *door_client_approver(const struct door_client *d);
void door_client_unask(struct door_client *d);
struct core *door_client_core(const struct door_client *d);
const char *door_client_subject(const struct door_client *d);

#endif
