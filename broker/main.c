/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/config.h"
#include "broker/serve.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv, serve, config_keys());
}
