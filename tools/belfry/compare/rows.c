/* SPDX-License-Identifier: MIT */
/* The table of belfry compare. */
#include "tools/belfry/compare/internal.h"
#include "tools/belfry/common/report.h"

static const char *const causes[NR_CAUSES] = {
	[CAUSE_DOORBELL] = "stalled behind doorbells and zones",
	[CAUSE_IRQCHIP] = "stalled behind the irqchip alone",
	[CAUSE_OTHER] = "stalled behind neither",
};

static void add_medians(struct report *report, const char *median,
			const char *min, const char *max,
			struct samples *samples)
{
	report_number(report, median, "%.2f", samples_median(samples));
	report_number(report, min, "%.2f", samples_min(samples));
	report_number(report, max, "%.2f", samples_max(samples));
}

/* Return false, without a row, if one of the two has no samples. */
static bool add_row(struct report *report, const char *name, const char *unit,
		    struct samples *plain, struct samples *belfry)
{
	if (!plain->count || !belfry->count)
		return false;
	report_row(report, name, unit);
	add_medians(report, "plain", "plain_min", "plain_max", plain);
	add_medians(report, "belfry", "belfry_min", "belfry_max", belfry);
	report_number(report, "ratio", "%.2f",
		      samples_median(plain) / samples_median(belfry));
	return true;
}

static void add_goal(struct report *report, double goal, double plain,
		     double belfry)
{
	char text[64];

	snprintf(text, sizeof(text), "<= %g x plain", goal);
	report_goal(report, text, belfry <= goal * plain);
}

void compare_print(struct compare_runs *plain, struct compare_runs *belfry,
		   double goal, bool json, FILE *out)
{
	struct report *report = report_new(json);

	add_row(report, "exec to start", "ms", &plain->loading,
		&belfry->loading);
	if (add_row(report, "start to first KVM_RUN", "ms", &plain->first_run,
		    &belfry->first_run) &&
	    goal > 0)
		add_goal(report, goal, samples_median(&plain->first_run),
			 samples_median(&belfry->first_run));
	add_row(report, "start to first KVM_RUN, not stalled", "ms",
		&plain->unstalled, &belfry->unstalled);
	add_row(report, "in stalled ioctls", "ms", &plain->stalled,
		&belfry->stalled);
	for (size_t i = 0; i < NR_CAUSES; i++)
		add_row(report, causes[i], "ms", &plain->stalled_by[i],
			&belfry->stalled_by[i]);
	add_row(report, "stalled ioctls", "calls", &plain->stalls,
		&belfry->stalls);
	add_row(report, "exec to exit", "ms", &plain->total, &belfry->total);
	report_print(report, out);
	report_free(report);
}

void compare_runs_free(struct compare_runs *runs)
{
	samples_free(&runs->loading);
	samples_free(&runs->first_run);
	samples_free(&runs->unstalled);
	for (size_t i = 0; i < NR_CAUSES; i++)
		samples_free(&runs->stalled_by[i]);
	samples_free(&runs->stalled);
	samples_free(&runs->stalls);
	samples_free(&runs->total);
}
