// SPDX-License-Identifier: MIT
/*
 * SRCU alone.  Threads serve requests with the current configuration, and
 * SIGHUP replaces the configuration.  A request uses one configuration from
 * beginning to end.  The reload does not wait for requests, and requests do not
 * wait for the reload.  A callback frees the old configuration after the last
 * request that uses it.
 *
 *	config_reload FILE	until SIGTERM; FILE has one line, the greeting
 *	config_reload		writes the file and sends the signals itself
 */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <belfry/srcu.h>

#include "example.h"

#define WORKERS 4
#define RELOADS 5

struct config {
	struct srcu_head head; /* for call_srcu() */
	unsigned int number;   /* 0 for the first, then 1, 2, ... */
	char greeting[64];
};

/* Readers of a configuration enter this domain.  No thread registers. */
DEFINE_STATIC_SRCU(config_domain);
static struct config *current_config;

/* The progress of all threads, for administrator_thread(). */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int loaded;	    /* number of the current configuration */
	unsigned int used[WORKERS]; /* number of the last one used */
	unsigned int freed;	    /* configurations freed */
} progress = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, {0}, 0};

static bool stopping;

static void report(unsigned int *counter, unsigned int value)
{
	pthread_mutex_lock(&progress.lock);
	*counter = value;
	pthread_cond_broadcast(&progress.changed);
	pthread_mutex_unlock(&progress.lock);
}

static void wait_until(const unsigned int *counter, unsigned int value)
{
	pthread_mutex_lock(&progress.lock);
	while (*counter < value)
		pthread_cond_wait(&progress.changed, &progress.lock);
	pthread_mutex_unlock(&progress.lock);
}

/* Returns NULL if path cannot be read. */
static struct config *load(const char *path, unsigned int number)
{
	struct config *config = calloc(1, sizeof(*config));
	FILE *file = fopen(path, "r");
	bool ok = config && file &&
		  fgets(config->greeting, sizeof(config->greeting), file);

	if (file)
		fclose(file);
	if (!ok) {
		free(config);
		return NULL;
	}
	config->number = number;
	config->greeting[strcspn(config->greeting, "\n")] = '\0';
	return config;
}

/*
 * A thread of the library calls this after the grace period: every section that
 * may have used the configuration has ended.
 */
static void free_config(struct srcu_head *head)
{
	/* head is the first member */
	struct config *config = (struct config *)head;

	printf("configuration %u: freed\n", config->number);
	report(&progress.freed, config->number + 1);
	free(config);
}

/* Only the main thread changes current_config, so it takes no lock. */
static void reload(const char *path)
{
	struct config *old = current_config;
	struct config *new = load(path, old->number + 1);

	if (!new) {
		fprintf(stderr, "%s: unreadable; nothing changes\n", path);
		return;
	}
	/* A request that begins from now on gets the complete new one. */
	srcu_assign_pointer(current_config, new);
	/* Other requests may still use the old one: free it later. */
	call_srcu(&config_domain, &old->head, free_config);
	printf("configuration %u: \"%s\"\n", new->number, new->greeting);
	report(&progress.loaded, new->number);
}

/* One request.  Its configuration stays valid even while it sleeps. */
static void serve(unsigned int *used)
{
	const int idx = srcu_read_lock(&config_domain);
	const struct config *config =
		srcu_dereference(current_config, &config_domain);
	char answer[sizeof(config->greeting)];

	strcpy(answer, config->greeting);
	usleep(1000);
	expect(!strcmp(answer, config->greeting),
	       "a request has one configuration from beginning to end");
	report(used, config->number);
	srcu_read_unlock(&config_domain, idx);
}

static void *worker_thread(void *used)
{
	while (!__atomic_load_n(&stopping, __ATOMIC_RELAXED))
		serve(used);
	return NULL;
}

static void write_file(const char *path, unsigned int number)
{
	FILE *file = fopen(path, "w");

	expect(file, "a file to write the configuration to");
	fprintf(file, "greetings, %u\n", number);
	expect(!fclose(file), "the configuration is written");
}

/*
 * Reloads from within a request.  The request ends only after every worker uses
 * the new configuration.  If a reload waited for requests, this would deadlock.
 */
static void reload_during_request(const char *path)
{
	const int idx = srcu_read_lock(&config_domain);
	const struct config *config =
		srcu_dereference(current_config, &config_domain);
	int i;

	write_file(path, config->number + 1);
	kill(getpid(), SIGHUP);
	wait_until(&progress.loaded, config->number + 1);
	for (i = 0; i < WORKERS; i++)
		wait_until(&progress.used[i], config->number + 1);
	pthread_mutex_lock(&progress.lock);
	expect(progress.freed <= config->number, "the old one is still there");
	pthread_mutex_unlock(&progress.lock);
	printf("configuration %u: in use until here\n", config->number);
	srcu_read_unlock(&config_domain, idx);
}

static void *administrator_thread(void *path)
{
	int i;

	for (i = 0; i < RELOADS; i++)
		reload_during_request(path);
	kill(getpid(), SIGTERM);
	return NULL;
}

/* All threads block the signals; this one waits for them. */
static void reload_until_sigterm(const char *path, const sigset_t *signals)
{
	int signal;

	while (!sigwait(signals, &signal) && signal == SIGHUP)
		reload(path);
	__atomic_store_n(&stopping, true, __ATOMIC_RELAXED);
}

static void run(char *path, bool self)
{
	pthread_t workers[WORKERS], administrator;
	sigset_t signals;
	int i;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	current_config = load(path, 0);
	expect(current_config, "a configuration to begin with");
	for (i = 0; i < WORKERS; i++)
		pthread_create(&workers[i], NULL, worker_thread,
			       &progress.used[i]);
	if (self)
		pthread_create(&administrator, NULL, administrator_thread,
			       path);
	reload_until_sigterm(path, &signals);
	for (i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	if (self)
		pthread_join(administrator, NULL);
	/* Waits until the callbacks queued so far have returned. */
	srcu_barrier(&config_domain);
	expect(progress.freed == current_config->number,
	       "all old ones are freed");
	free(current_config);
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/config_reload.XXXXXX";

	if (argc > 1) {
		run(argv[1], false);
		return 0;
	}
	close(must_sys(mkstemp(path), path));
	write_file(path, 0);
	run(path, true);
	unlink(path);
	expect(progress.freed == RELOADS, "as many freed as replaced");
	return 0;
}
