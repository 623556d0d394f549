/* SPDX-License-Identifier: MIT */
/*
 * The main function of a model with a table of named scenarios.  Include this
 * after the definitions of scenarios, of scenario, which points to the selected
 * one, and of explore_scenario().
 */
#ifndef BF_MODELS_EXPLORE_SCENARIOS_H
#define BF_MODELS_EXPLORE_SCENARIOS_H

static const char *select_scenario(size_t n)
{
	if (n == ARRAY_SIZE(scenarios))
		return NULL;
	scenario = &scenarios[n];
	return scenario->name;
}

int main(int argc, char **argv)
{
	const struct explore_model model = {select_scenario, explore_scenario};

	return explore_main(argc, argv, &model);
}

#endif
