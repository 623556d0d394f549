// SPDX-License-Identifier: MIT
/* The command line of QEMU: accelerator, irqchip, sandbox, queues. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "tools/belfry/doctor/vmm.h"

#define VALUE_SIZE 64

/* Return whether a word is this option; QEMU takes one dash or two. */
static bool is_option(const char *word, const char *name)
{
	if (*word != '-')
		return false;
	word += word[1] == '-' ? 2 : 1;
	return !strcmp(word, name);
}

/* QEMU takes "-" and "_" alike in a few keys. */
static bool is_key(const char *item, const char *key, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (item[i] != key[i] && (item[i] != '_' || key[i] != '-'))
			return false;
	return item[length] == '=';
}

/* The value of a key in "a,key=value,..."; the first item has no key. */
static bool text_property(const char *text, const char *key,
			  char value[VALUE_SIZE])
{
	const size_t length = strlen(key);

	for (const char *item = text; item; item = strchr(item, ',')) {
		item += *item == ',';
		if (!is_key(item, key, length))
			continue;
		item += length + 1;
		snprintf(value, VALUE_SIZE, "%.*s", (int)strcspn(item, ","),
			 item);
		return true;
	}
	return false;
}

static bool json_property(const char *text, const char *key,
			  char value[VALUE_SIZE])
{
	struct json_object *object = json_tokener_parse(text), *member;
	bool found = json_object_object_get_ex(object, key, &member);

	if (found)
		snprintf(value, VALUE_SIZE, "%s",
			 json_object_get_string(member));
	json_object_put(object);
	return found;
}

/* libvirt writes the argument of -device in JSON. */
static bool property(const char *text, const char *key, char value[VALUE_SIZE])
{
	return *text == '{' ? json_property(text, key, value) :
			      text_property(text, key, value);
}

static bool property_is(const char *text, const char *key, const char *wanted)
{
	char value[VALUE_SIZE];

	return property(text, key, value) && !strcmp(value, wanted);
}

/* The number of a property, at most 1024, which is virtio's limit. */
static unsigned int number(const char *text, const char *key,
			   unsigned int otherwise)
{
	char value[VALUE_SIZE];
	unsigned long found;

	if (!property(text, key, value))
		return otherwise;
	found = strtoul(value, NULL, 10);
	return found > 1024 ? 1024 : (unsigned int)found;
}

/* The first item of an argument, or the property that it stands for. */
static void first_item(const char *text, const char *key,
		       char value[VALUE_SIZE])
{
	size_t length = strcspn(text, ",=");

	if (*text != '{' && text[length] != '=')
		snprintf(value, VALUE_SIZE, "%.*s", (int)length, text);
	else if (!property(text, key, value))
		value[0] = '\0';
}

struct qemu {
	char *const *words;
	bool kvm;
	bool hidden; /* a file has options that are not read */
	char machine[VALUE_SIZE];
	enum vmm_irqchip irqchip; /* as an option says */
	unsigned int cpus;
	unsigned int queues;
	bool sandbox;
};

static void read_irqchip(struct qemu *qemu, const char *text)
{
	if (property_is(text, "kernel-irqchip", "on"))
		qemu->irqchip = IRQCHIP_KERNEL;
	else if (property_is(text, "kernel-irqchip", "split"))
		qemu->irqchip = IRQCHIP_SPLIT;
	else if (property_is(text, "kernel-irqchip", "off"))
		qemu->irqchip = IRQCHIP_USER;
}

/* A list of accelerators has colons: QEMU takes the first that works. */
static void read_accelerator(struct qemu *qemu, const char *names)
{
	if (!strncmp(names, "kvm", 3) || strstr(names, ":kvm"))
		qemu->kvm = true;
}

static void read_accel(struct qemu *qemu, const char *text)
{
	char name[VALUE_SIZE];

	first_item(text, "accel", name);
	read_accelerator(qemu, name);
	read_irqchip(qemu, text);
}

static void read_machine(struct qemu *qemu, const char *text)
{
	char names[VALUE_SIZE];

	first_item(text, "type", qemu->machine);
	if (property(text, "accel", names))
		read_accelerator(qemu, names);
	read_irqchip(qemu, text);
}

static void read_smp(struct qemu *qemu, const char *text)
{
	char cpus[VALUE_SIZE];

	first_item(text, "cpus", cpus);
	if (atoi(cpus) > 0)
		qemu->cpus = (unsigned int)atoi(cpus);
}

static void read_sandbox(struct qemu *qemu, const char *text)
{
	char value[VALUE_SIZE];

	first_item(text, "enable", value);
	qemu->sandbox = !strcmp(value, "on");
}

/* The queue pairs of the network backend with this name. */
static unsigned int backend_pairs(const struct qemu *qemu, const char *id)
{
	for (char *const *word = qemu->words; word[0] && word[1]; word++)
		if (is_option(word[0], "netdev") &&
		    property_is(word[1], "id", id))
			return number(word[1], "queues", 1);
	return 1;
}

static unsigned int net_queues(const struct qemu *qemu, const char *text)
{
	char id[VALUE_SIZE];

	/* A queue to receive, one to send, and one to control. */
	if (!property(text, "netdev", id))
		return 3;
	return 2 * backend_pairs(qemu, id) + 1;
}

static unsigned int block_queues(const struct qemu *qemu, const char *text)
{
	return number(text, "num-queues", qemu->cpus);
}

static unsigned int scsi_queues(const struct qemu *qemu, const char *text)
{
	/* Two queues are for control and for events. */
	return number(text, "num_queues", qemu->cpus) + 2;
}

static unsigned int fs_queues(const struct qemu *qemu, const char *text)
{
	return number(text, "num-request-queues", 1) + 1;
}

static unsigned int serial_queues(const struct qemu *qemu, const char *text)
{
	return 2 * (number(text, "max_ports", 31) + 1);
}

static unsigned int few_queues(const struct qemu *qemu, const char *text)
{
	return 2;
}

static const struct {
	const char *driver; /* how the name starts */
	unsigned int (*queues)(const struct qemu *qemu, const char *text);
} devices[] = {
	{"virtio-blk", block_queues},	  {"vhost-user-blk", block_queues},
	{"virtio-net", net_queues},	  {"virtio-scsi", scsi_queues},
	{"vhost-user-scsi", scsi_queues}, {"vhost-scsi", scsi_queues},
	{"vhost-user-fs", fs_queues},	  {"virtio-serial", serial_queues},
	{"virtio-", few_queues},	  {"vhost-", few_queues},
};

static void read_device(struct qemu *qemu, const char *text)
{
	char driver[VALUE_SIZE];

	first_item(text, "driver", driver);
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		if (strncmp(driver, devices[i].driver,
			    strlen(devices[i].driver)))
			continue;
		qemu->queues += devices[i].queues(qemu, text);
		return;
	}
}

static void read_drive(struct qemu *qemu, const char *text)
{
	if (property_is(text, "if", "virtio"))
		qemu->queues += qemu->cpus;
}

static void read_hidden(struct qemu *qemu, const char *text)
{
	qemu->hidden = true;
}

struct option_reader {
	const char *name;
	void (*read)(struct qemu *qemu, const char *text);
};

static const struct option_reader machine_options[] = {
	{"accel", read_accel},
	{"machine", read_machine},
	{"M", read_machine},
	{"smp", read_smp},
	{"sandbox", read_sandbox},
	{"readconfig", read_hidden},
	{NULL, NULL},
};

/* These come second, as their defaults depend on the number of CPUs. */
static const struct option_reader device_options[] = {
	{"device", read_device},
	{"drive", read_drive},
	{NULL, NULL},
};

static void read_option(struct qemu *qemu, const struct option_reader *reader,
			const char *option, const char *text)
{
	for (; reader->name; reader++)
		if (is_option(option, reader->name))
			reader->read(qemu, text);
}

static void read_options(struct qemu *qemu, const struct option_reader *readers)
{
	for (char *const *word = qemu->words; word[0] && word[1]; word++)
		read_option(qemu, readers, word[0], word[1]);
}

static void read_flags(struct qemu *qemu)
{
	for (char *const *word = qemu->words; *word; word++)
		if (is_option(*word, "enable-kvm"))
			qemu->kvm = true;
}

/* QEMU's microvm splits the irqchip unless an option says otherwise. */
static enum vmm_irqchip irqchip_of(const struct qemu *qemu)
{
	if (qemu->irqchip != IRQCHIP_UNKNOWN || qemu->hidden)
		return qemu->irqchip;
	if (!strcmp(qemu->machine, "none"))
		return IRQCHIP_UNKNOWN;
	return strcmp(qemu->machine, "microvm") ? IRQCHIP_KERNEL :
						  IRQCHIP_SPLIT;
}

void qemu_read(const char *program, char *const *words, struct vmm *vmm)
{
	struct qemu qemu = {.words = words, .cpus = 1};

	qemu.kvm = strstr(program, "kvm") != NULL;
	read_flags(&qemu);
	read_options(&qemu, machine_options);
	read_options(&qemu, device_options);
	vmm->name = "QEMU";
	vmm->is_qemu = true;
	vmm->without_kvm = !qemu.kvm && !qemu.hidden;
	vmm->irqchip = irqchip_of(&qemu);
	vmm->queues = qemu.queues;
	if (qemu.sandbox)
		vmm->sandbox = "a seccomp filter (-sandbox on)";
}
