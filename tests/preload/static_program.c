/* SPDX-License-Identifier: MIT */
/* Statically linked, so that no library can be preloaded. */
int main(void)
{
	return 5;
}
