/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

const struct cli_verb cli_verbs[] = {
	{"run", "[FILE|-]", 0, 1, "eval language data text environment timeout allow tool-choice verbose",
	 "run code in a sandbox, with your tools",
	 "Without FILE and -e, or with -, the code is read from stdin. What it prints comes at once, its value at the "
	 "end.\n"
	 "In code a server is an object and its tools are functions: await github.list_issues({...}) in JavaScript,\n"
	 "await github.list_issues(...) in Python, `tool call github.list_issues --json '{...}'` in the shell.\n"
	 "stdin is not read unless - asks for it: git log | hawser run --text - -e 'return data.length'",
	 cli_run},
	{"ps", "", 0, 0, "", "list runs that go on, and the last that ended",
	 "Newest first. They are kept until limits.runs_kept others have ended, also when the broker ends or is "
	 "killed.\n"
	 "With --json up to 200 of them, with where they were started and what became of them.",
	 cli_ps},
	{"follow", "RUN", 1, 1, "verbose", "print what a run says, from its beginning to its end",
	 "RUN is an id of hawser ps; its first eight characters do. Also of a run that has ended. Leaves with the "
	 "status\n"
	 "that hawser run would leave with. ^C ends this and not the run.",
	 cli_follow},
	{"kill", "RUN", 1, 1, "", "end a run",
	 "Whoever waits for it gets what it printed until then. Status 1: it had ended already, or there is none of "
	 "that id.",
	 cli_kill},
	{"sandboxes", "", 0, 0, "", "list the sandboxes that the broker has",
	 "Warm ones wait for a run. What an earlier broker has left is \"reaping\".", cli_sandboxes},
	{"state", "check", 1, 1, "", "check what is kept of runs and sandboxes",
	 "Reads every page of hawser.db in the state folder, compares its rows with the folders of runs and sandboxes, "
	 "and\n"
	 "says how much room is taken. Works beside a broker and without one; changes nothing. Status 1: something is "
	 "bad,\n"
	 "with the command that cures it.",
	 cli_state},
	{"tools", "[QUERY]", 0, 1, "servers logs", "find tools of your MCP servers, or look at the servers",
	 "QUERY is words of a tool's name, description or parameters; without it all tools are listed.\n"
	 "SERVER alone lists that server's; SERVER.TOOL shows one tool whole, with its signature.",
	 cli_tools},
	{"call", "SERVER.TOOL [JSON]", 1, 2, "args", "call one tool",
	 "JSON is its arguments, an object; - reads them from stdin.\n"
	 "Goes through the same policy, limits and log as calls from code.",
	 cli_call},
	{"mcp", "", 0, 0, "", "be an MCP server on stdin and stdout",
	 "For the configuration of an MCP client: {\"command\": \"hawser\", \"args\": [\"mcp\"]}.", cli_mcp},
	{"serve", "", 0, 0, "spawned log-format", "be the broker, until stopped",
	 "The other verbs start one of their own if none is there; it leaves after ten idle minutes.", NULL},
	{"init", "", 0, 0, "dry-run undo client yes all force", "move the servers of your MCP clients behind Hawser",
	 "Reads the files of Claude Code, Claude Desktop, Cursor, VS Code and Codex, starts each server once, shows "
	 "what\n"
	 "would change, and asks. Then the servers stand in hawser.yaml and each client has one entry, `hawser mcp`.\n"
	 "A copy of each file is kept; hawser init --undo puts them back byte for byte.",
	 cli_init},
	{"trust", "FILE", 1, 1, "yes undo", "say yes to a project's file that include: [project] names",
	 "A file that came with a project is used only after one yes to its very text. Shows it, or what changed, and "
	 "asks.\n"
	 "--undo takes the yes back.",
	 cli_trust},
	{"config", "check|show", 1, 1, "", "check the configuration, or print what it comes to",
	 "hawser.yaml or hawser.json in $XDG_CONFIG_HOME/hawser (else ~/.config/hawser). The least that is useful:\n\n"
	 "  mcpServers:\n"
	 "    files:\n"
	 "      command: npx\n"
	 "      args: [-y, \"@modelcontextprotocol/server-filesystem\", \"${HOME}/Documents\"]\n\n"
	 "include: [FILE] takes the mcpServers of another client's file, live; so do the names claude-code, cursor, "
	 "vscode,\n"
	 "claude-desktop, codex, and project: the files of the folder that hawser is called in (see hawser help "
	 "trust).\n"
	 "A server with roots: client is told the folders that its caller works in (MCP roots); roots: [FOLDER] names "
	 "them.\n"
	 "Of two servers of one name that of hawser.yaml wins, then this folder's, the project's, the user's; then as "
	 "listed.\n"
	 "check reads the files and starts nothing; hawser doctor starts the servers.",
	 cli_config},
	{"doctor", "", 0, 0, "fix-hints", "try the real way of a run and say what fails and what to do",
	 "Looks at clock, folders, lock and socket, then runs a line of code in each language, starts each server and "
	 "calls\n"
	 "one tool of it that only reads and wants no arguments, if policy allows it. What is bad has a line with the\n"
	 "command that cures it. Status 0: all is well, 1: something is bad, 3: no broker can be reached.",
	 cli_doctor},
	{"approvals", "", 0, 0, "follow", "list the calls that wait for your word",
	 "A call that policy asks about waits while somebody is there who can be asked: an MCP client that can ask "
	 "you,\n"
	 "the terminal of hawser run, or this verb with --follow in any window. On a terminal --follow takes the "
	 "answers\n"
	 "too. With nobody there such a call is refused at once.",
	 cli_approvals},
	{"approve", "ID", 1, 1, "always args", "let a waiting call through",
	 "ID is what hawser approvals lists, with the rule that --always would write; its first eight characters do "
	 "if no other begins so.\n"
	 "The first answer counts, wherever it is given. A server that asks by a form gets --args, an object with its "
	 "fields.",
	 cli_approve},
	{"refuse", "ID", 1, 1, "", "refuse a waiting call", "The code gets a ToolError of kind approval_refused.",
	 cli_refuse},
	{"policy", "forget SERVER.TOOL", 2, 2, "", "take back an \"always\"",
	 "Takes the rule `- allow: SERVER.TOOL` out of the configuration; everything else of the file stays as it is.",
	 cli_policy},
	{"audit", "verify [FILE]", 1, 2, "", "check that the log of all calls is as it was written",
	 "Each line of audit.jsonl has the hash of the one before it: a line that was changed, removed, put in or "
	 "moved\n"
	 "is named, with status 1. Lines that were cut off at the end cannot be seen: keep the last hash elsewhere.\n"
	 "FILE is a copy; without it the log of this user. No broker is asked.",
	 cli_audit},
	{"stop", "", 0, 0, "", "stop the broker; its runs are cancelled", "", cli_stop},
	{"completion", "bash|zsh|fish", 1, 1, "", "print a completion script for a shell",
	 "bash: source <(hawser completion bash). Installed packages have them in place.", cli_completion},
	{"version", "", 0, 0, "", "print the version", "", cli_version},
	{"help", "[VERB]", 0, 1, "man", "say what a verb does", "", cli_help},
	{NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};

int cli_version(const struct cli_args *args)
{
	printf(args->json ? "{\"version\":\"%s\"}\n" : "hawser %s\n", HAWSER_VERSION);
	return CLI_OK;
}

/* What is asked for on stdout and did not get there (a full disk, a closed descriptor) is no success. */
static int written(int status)
{
	if ((fflush(stdout) == EOF || ferror(stdout)) && status == CLI_OK)
		return cli_say(CLI_FAILED, "stdout cannot be written to: %s; not all was printed", strerror(errno));
	return status;
}

/* A standard descriptor that is closed would be the next socket, and output would go there. Opened the wrong way round,
 * so that using it fails as it did. */
static void keep_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

int cli_main(int argc, char **argv, int (*serve)(const struct cli_args *args), const struct json_keys *keys)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct cli_args args;

	keep_standard_descriptors();
	if (cli_parse(argc - 1, argv + 1, &args, &err) < 0)
		return cli_say(CLI_USAGE, "%s", error_text(&err));
	args.keys = keys;
	if (args.help) {
		cli_help_verb(args.verb, keys);
		return written(CLI_OK);
	}
	return args.verb->run ? written(args.verb->run(&args)) : serve(&args);
}
