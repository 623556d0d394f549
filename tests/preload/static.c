/* SPDX-License-Identifier: MIT */
/* A program that no library can be put under. */
int main(void)
{
	return 5;
}
