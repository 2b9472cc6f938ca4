/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLIENTFILES_INPUTS_H
#define HAWSER_BROKER_CLIENTFILES_INPUTS_H

#include <jansson.h>
#include <stddef.h>

/*
 * VS Code's inputs: ${input:github-token} in a server's texts is a value that the client asks a person for. Behind
 * Hawser it is the variable HAWSER_INPUT_GITHUB_TOKEN, which the client's one entry hands on. Pure.
 */
/* The variable of an input's id (n bytes). -EINVAL: it is empty, or too long for size. */
int inputs_variable(const char *id, size_t n, char *ret, size_t size) __attribute__((warn_unused_result));
/* env[variable] = "${input:id}" for each that occurs in text. */
int inputs_collect(const char *text, json_t *env) __attribute__((warn_unused_result));

#endif
