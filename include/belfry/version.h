/* SPDX-License-Identifier: MIT */
/**
 * belfry/version.h - the version of the header and of the library
 *
 * Versions follow semantic versioning.  doc/abi.md says which changes need
 * which version, and how the version appears in the shared library's name.
 *
 * Stability: this header only grows.
 * Thread safety: bf_version() may be called from any thread, from a signal
 * handler, and in the child of a fork.
 */
#ifndef BELFRY_VERSION_H
#define BELFRY_VERSION_H

/** The version that the program is compiled with, as numbers. */
#define BELFRY_VERSION_MAJOR 0
#define BELFRY_VERSION_MINOR 2
#define BELFRY_VERSION_MICRO 0

#define __BELFRY_STRING(x) #x
#define __BELFRY_DOTTED(x, y, z) \
	__BELFRY_STRING(x) "." __BELFRY_STRING(y) "." __BELFRY_STRING(z)

/** The same as a string: "0.2.0". */
#define BELFRY_VERSION                                              \
	__BELFRY_DOTTED(BELFRY_VERSION_MAJOR, BELFRY_VERSION_MINOR, \
			BELFRY_VERSION_MICRO)

/**
 * BELFRY_VERSION_AT_LEAST - compare the header's version, also in #if
 * @major, @minor, @micro: the version that is needed
 */
#define BELFRY_VERSION_AT_LEAST(major, minor, micro) \
	(BELFRY_VERSION_MAJOR > (major) ||           \
	 (BELFRY_VERSION_MAJOR == (major) &&         \
	  (BELFRY_VERSION_MINOR > (minor) ||         \
	   (BELFRY_VERSION_MINOR == (minor) &&       \
	    BELFRY_VERSION_MICRO >= (micro)))))

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/**
 * bf_version - the version of the library that runs
 *
 * Return: a string like "0.2.0" that is valid as long as the library is
 * loaded.  It may differ from BELFRY_VERSION, with which the program was
 * compiled.  Never blocks, cannot fail.
 */
const char *bf_version(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_VERSION_H */
