/*
 * test_cli.c - the table of commands, what a terminal is shown, exit codes.
 */
#include "config.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/cmd.h"
#include "cli/out.h"

static void
assert_shown(const char *text, size_t len, const char *want)
{
	struct buf b = BUF_INIT;

	out_text(&b, text, len);
	assert_int_equal(buf_err(&b), 0);
	assert_string_equal(b.p, want);
	buf_fini(&b);
}

#define SHOWN(text, want) assert_shown(text, sizeof(text) - 1, want)

static void
text_that_is_only_seen_is_left_alone(void **state)
{
	(void)state;
	SHOWN("plain, \xc3\xa9, \xe4\xb8\xad, \xf0\x9f\x98\x80 \\n",
	    "plain, \xc3\xa9, \xe4\xb8\xad, \xf0\x9f\x98\x80 \\n");
}

static void
text_that_would_act_on_a_terminal_is_escaped(void **state)
{
	(void)state;
	SHOWN("a\033[2Jb", "a\\x1b[2Jb");
	SHOWN("a\r\nb\tc\x7f", "a\\x0d\\nb\\tc\\x7f");
	SHOWN("nul\0nul", "nul\\x00nul");
	SHOWN("\xc2\x9b" "31m", "\\x9b31m");		/* C1 CSI */
	SHOWN("\xe2\x80\xae" "abc", "\\u202eabc");	/* RLO */
	SHOWN("\xe2\x81\xa6" "abc", "\\u2066abc");	/* LRI */
	SHOWN("\xe2\x80\xa8", "\\u2028");
	SHOWN("\xef\xbb\xbf", "\\ufeff");
	SHOWN("\xf3\xa0\x80\xa0", "\\U000e0020");	/* tag space */
}

static void
bytes_that_are_no_utf8_are_escaped_one_by_one(void **state)
{
	(void)state;
	SHOWN("\xff" "a", "\\xffa");
	SHOWN("\xc3", "\\xc3");				/* cut off */
	SHOWN("\xc0\xaf", "\\xc0\\xaf");		/* overlong */
	SHOWN("\xe0\x80\x80", "\\xe0\\x80\\x80");
	SHOWN("\xed\xa0\x80", "\\xed\\xa0\\x80");	/* surrogate */
	SHOWN("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	SHOWN("\xf0\x9f\x98", "\\xf0\\x9f\\x98");
}

static void
cells_are_as_wide_as_what_is_seen(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	out_cell(&b, "\xc3\xa9\033", 8);
	buf_adds(&b, "|");
	assert_string_equal(b.p, "\xc3\xa9\\x1b   |");
	buf_fini(&b);
}

static void
every_command_is_found_and_its_help_fits_80_columns(void **state)
{
	(void)state;
	for (size_t i = 0; cmd_table[i] != NULL; i++) {
		const struct cmd *cmd = cmd_table[i];
		struct buf b = BUF_INIT;
		size_t column = 0;

		assert_ptr_equal(cmd_find(cmd->name), cmd);
		assert_ptr_equal(cmd_nearest(cmd->name), cmd);
		assert_non_null(cmd->args);
		assert_non_null(cmd->run);
		cmd_help_one(&b, cmd);
		assert_int_equal(buf_err(&b), 0);
		for (size_t at = 0; at < b.len; at++) {
			column = b.p[at] == '\n' ? 0 : column + 1;
			if (column > 80)
				fail_msg("help %s: a line is too long: %.80s",
				    cmd->name, b.p + at - 80);
		}
		buf_fini(&b);
	}
}

static void
no_two_options_of_a_command_are_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; cmd_table[i] != NULL; i++) {
		const struct cmd_opt *o = cmd_table[i]->opts, *p;
		size_t n = 0;

		for (; o != NULL && o->c != 0; o++) {
			assert_true(o->c > ' ');
			assert_non_null(o->help);
			for (p = o + 1; p->c != 0; p++) {
				assert_int_not_equal(o->c, p->c);
				assert_string_not_equal(o->name, p->name);
			}
			n++;
		}
		assert_true(n < 48);	/* OPTS_MAX of opt.c */
	}
}

static void
help_fits_a_screen(void **state)
{
	struct buf b = BUF_INIT;
	size_t lines = 0;

	(void)state;
	cmd_help_all(&b);
	for (size_t at = 0; at < b.len; at++)
		lines += b.p[at] == '\n';
	assert_in_range(lines, 5, 24);
	buf_fini(&b);
}

static void
a_misspelt_command_is_guessed_and_nonsense_is_not(void **state)
{
	(void)state;
	assert_string_equal(cmd_nearest("hepl")->name, "help");
	assert_string_equal(cmd_nearest("hel")->name, "help");
	assert_null(cmd_nearest("x"));
	assert_null(cmd_nearest(""));
	assert_null(cmd_nearest("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"));
}

static void
errors_become_the_exit_codes_of_the_contract(void **state)
{
	(void)state;
	assert_int_equal(cmd_code(0), 0);
	assert_int_equal(cmd_code(-EIO), 1);
	assert_int_equal(cmd_code(-ENOENT), 3);
	assert_int_equal(cmd_code(-ESRCH), 3);
	assert_int_equal(cmd_code(AC_E_NOT_INVITED), 4);
	assert_int_equal(cmd_code(AC_E_BANNED), 4);
	assert_int_equal(cmd_code(-ETIMEDOUT), 5);
	assert_int_equal(cmd_code(-ECONNREFUSED), 75);
	assert_int_equal(cmd_code(-ENOSPC), 75);
	assert_int_equal(cmd_code(-EBUSY), 75);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_that_is_only_seen_is_left_alone),
		cmocka_unit_test(text_that_would_act_on_a_terminal_is_escaped),
		cmocka_unit_test(bytes_that_are_no_utf8_are_escaped_one_by_one),
		cmocka_unit_test(cells_are_as_wide_as_what_is_seen),
		cmocka_unit_test(
		    every_command_is_found_and_its_help_fits_80_columns),
		cmocka_unit_test(no_two_options_of_a_command_are_the_same),
		cmocka_unit_test(help_fits_a_screen),
		cmocka_unit_test(
		    a_misspelt_command_is_guessed_and_nonsense_is_not),
		cmocka_unit_test(errors_become_the_exit_codes_of_the_contract),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
