#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Call the inline functions of the headers from a language without them.

    test_inline_python.py LIBRARY
"""
import ctypes
import mmap
import sys

PAGE = 4096


def memory(size):
    """Return aligned, zeroed memory for a structure of the library."""
    return ctypes.byref(ctypes.c_char.from_buffer(mmap.mmap(-1, size)))


def check_sections(lib, begin, end, init):
    ssp = memory(PAGE)
    assert init(ssp, b'python') == 0
    section = begin(ssp)
    cookie = lib.bf_srcu_start_poll(ssp)
    assert lib.bf_srcu_cleanup(ssp) == -16  # -EBUSY
    end(ssp, section)
    lib.bf_srcu_mb_after_read_unlock()
    lib.bf_srcu_synchronize_expedited(ssp)
    assert lib.bf_srcu_poll_state(ssp, ctypes.c_ulong(cookie))
    assert lib.bf_srcu_cleanup(ssp) == 0


def check_snapshot(lib):
    slots = ctypes.c_void_p()
    snapshot = memory(PAGE)
    assert lib.bf_memslots_create(None, ctypes.byref(slots)) == 0
    lib.bf_memslots_take(slots, snapshot)
    assert lib.bf_memslots_hva(snapshot, 0, ctypes.c_uint64(0),
                               ctypes.c_uint64(1), False) is None
    lib.bf_memslots_drop(snapshot)
    lib.bf_memslots_destroy(slots)


def main():
    lib = ctypes.CDLL(sys.argv[1])
    lib.bf_srcu_start_poll.restype = ctypes.c_ulong
    lib.bf_srcu_poll_state.restype = ctypes.c_bool
    lib.bf_srcu_read_lock_fast.restype = ctypes.c_void_p
    lib.bf_srcu_read_unlock_fast.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    lib.bf_memslots_hva.restype = ctypes.c_void_p
    check_sections(lib, lib.bf_srcu_read_lock, lib.bf_srcu_read_unlock,
                   lib.bf_srcu_init)
    check_sections(lib, lib.bf_srcu_down_read, lib.bf_srcu_up_read,
                   lib.bf_srcu_init)
    check_sections(lib, lib.bf_srcu_read_lock_fast,
                   lib.bf_srcu_read_unlock_fast, lib.bf_srcu_init_fast)
    check_snapshot(lib)


main()
