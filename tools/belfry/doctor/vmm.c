// SPDX-License-Identifier: MIT
/* The VMMs that belfry doctor knows by name. */
#include <string.h>

#include "base/util.h"
#include "tools/belfry/doctor/vmm.h"

struct known_vmm {
	const char *program;
	bool is_prefix; /* of the file name */
	void (*read)(const char *program, char *const *words, struct vmm *vmm);
};

static bool has_word(char *const *words, const char *word)
{
	for (; *words; words++)
		if (!strcmp(*words, word))
			return true;
	return false;
}

static bool has_pair(char *const *words, const char *option, const char *value)
{
	for (; words[0] && words[1]; words++)
		if (!strcmp(words[0], option) && !strcmp(words[1], value))
			return true;
	return false;
}

static void kvmtool_read(const char *program, char *const *words,
			 struct vmm *vmm)
{
	vmm->name = "kvmtool";
	vmm->irqchip = IRQCHIP_KERNEL;
}

static void firecracker_read(const char *program, char *const *words,
			     struct vmm *vmm)
{
	vmm->name = "Firecracker";
	vmm->irqchip = IRQCHIP_KERNEL;
	if (!has_word(words, "--no-seccomp"))
		vmm->sandbox = "a seccomp filter for each thread";
	if (!strcmp(program, "jailer"))
		vmm->sandbox = "the jailer: chroot, namespaces and a seccomp "
			       "filter for each thread";
}

static void cloud_hypervisor_read(const char *program, char *const *words,
				  struct vmm *vmm)
{
	vmm->name = "Cloud Hypervisor";
	vmm->irqchip = IRQCHIP_SPLIT;
	if (!has_pair(words, "--seccomp", "false"))
		vmm->sandbox = "a seccomp filter for each thread";
}

static void crosvm_read(const char *program, char *const *words,
			struct vmm *vmm)
{
	vmm->name = "crosvm";
	vmm->irqchip = has_word(words, "--split-irqchip") ? IRQCHIP_SPLIT :
							    IRQCHIP_KERNEL;
	if (!has_word(words, "--disable-sandbox"))
		vmm->sandbox = "minijail: a process and a seccomp filter for "
			       "each device";
}

static void libvirt_read(const char *program, char *const *words,
			 struct vmm *vmm)
{
	vmm->name = "libvirt";
	vmm->is_manager = true;
}

static const struct known_vmm vmms[] = {
	{"qemu-system-", true, qemu_read},
	{"qemu-kvm", false, qemu_read},
	{"kvm", false, qemu_read},
	{"lkvm", true, kvmtool_read},
	{"kvmtool", false, kvmtool_read},
	{"firecracker", true, firecracker_read},
	{"jailer", false, firecracker_read},
	{"cloud-hypervisor", true, cloud_hypervisor_read},
	{"crosvm", false, crosvm_read},
	{"libvirtd", false, libvirt_read},
	{"virtqemud", false, libvirt_read},
};

static const struct known_vmm *find_vmm(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(vmms); i++) {
		size_t length = strlen(vmms[i].program);

		if (!strncmp(name, vmms[i].program, length) &&
		    (vmms[i].is_prefix || !name[length]))
			return &vmms[i];
	}
	return NULL;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool vmm_is_known(const char *program)
{
	return find_vmm(file_name(program)) != NULL;
}

void vmm_read(const char *program, char *const *words, struct vmm *vmm)
{
	const struct known_vmm *known = find_vmm(file_name(program));

	*vmm = (struct vmm){0};
	if (known)
		known->read(file_name(program), words, vmm);
}
