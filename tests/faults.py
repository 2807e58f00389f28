"""The faults that the project is held against, by number: the test of each, or why there is none.

A test is named as `file::function`, without its parameters. `tests/test_faults.py` sees to it that
each number is here and each named test exists.
"""

KILL = "test_faults_trial_kill.py::"
ERRORS = "test_faults_trial_errors.py::"
SIGNALS = "test_faults_trial_signals.py::"
DAMAGE = "test_faults_trial_damage.py::"
WANDB = "test_faults_trial_wandb.py::"
ENGINE = "test_faults_trial_engine.py::"
EXTENDING = "test_extending.py::"
LAUNCHERS = (
    "test_faults_study.py::test_four_launchers_killed_at_random_run_each_of_forty_trials_once"
)

FAULTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "F1": (
        "a trial is killed at a random step",
        (f"{KILL}test_a_trial_killed_at_25_random_moments_is_the_same",),
    ),
    "F2": ("the launcher is killed", (LAUNCHERS,)),
    "F3": (
        "a trial is killed at a system call of a write",
        (f"{KILL}test_a_trial_killed_at_each_system_call_of_a_write_is_the_same",),
    ),
    "F4": (
        "a torn row in the history",
        (
            f"{ERRORS}test_a_short_write_leaves_a_torn_row_that_is_cut_and_kept_aside",
            "test_durable.py::test_a_file_cut_at_any_byte_gives_a_prefix_of_the_rows",
        ),
    ),
    "F5": (
        "a flipped bit in the history",
        (
            f"{DAMAGE}test_damage_to_the_history_is_found_and_named_wherever_it_is",
            f"{DAMAGE}test_a_trial_whose_history_is_damaged_ends_as_if_it_was_not",
        ),
    ),
    "F6": (
        "a flipped bit in a checkpoint",
        (f"{DAMAGE}test_damage_to_a_checkpoint_is_found_and_named_wherever_it_is",),
    ),
    "F7": (
        "a checkpoint that is cut or empty",
        (
            f"{DAMAGE}test_damage_to_a_checkpoint_is_found_and_named_wherever_it_is",
            f"{DAMAGE}test_a_trial_whose_checkpoints_are_damaged_ends_as_if_they_were_not",
        ),
    ),
    "F8": (
        "TMPDIR on another file system",
        ("test_durable.py::test_the_temporary_file_lies_beside_the_one_it_replaces",),
    ),
    "F9": (
        "the disk is full at a row",
        (f"{ERRORS}test_a_trial_on_a_full_disk_is_not_done_and_goes_on_when_there_is_space",),
    ),
    "F10": (
        "the disk is full at a checkpoint",
        (
            f"{ERRORS}test_a_trial_on_a_full_disk_is_not_done_and_goes_on_when_there_is_space",
            f"{ERRORS}test_an_error_at_each_system_call_of_a_write_stops_the_trial_and_loses_nothing",
        ),
    ),
    "F11": (
        "the disk is full for W&B",
        (f"{ERRORS}test_a_trial_on_a_full_disk_is_not_done_and_goes_on_when_there_is_space",),
    ),
    "F12": (
        "fsync fails",
        (
            f"{ERRORS}test_an_error_at_each_system_call_of_a_write_stops_the_trial_and_loses_nothing",
        ),
    ),
    "F13": (
        "a short write",
        (f"{ERRORS}test_a_short_write_leaves_a_torn_row_that_is_cut_and_kept_aside",),
    ),
    "F14": (
        "a read-only folder",
        (
            f"{ERRORS}test_on_a_read_only_system_a_trial_says_so_and_makes_nothing",
            "test_preflight.py::test_what_is_missing_is_named",
        ),
    ),
    "F15": (
        "W&B goes elsewhere than it was told to",
        (f"{WANDB}test_a_log_that_would_lie_elsewhere_is_refused",),
    ),
    "F16": ("four launchers at once", (LAUNCHERS,)),
    "F17": (
        "the declaration of a study is changed",
        (
            "test_cli.py::test_another_declaration_of_the_same_study_is_refused_with_its_difference",
            f"{EXTENDING}test_a_change_is_refused_with_its_difference_and_nothing_is_written",
            f"{EXTENDING}test_what_is_added_is_recorded_when_it_is_asked_for",
        ),
    ),
    "F18": (
        "wandb-core is killed",
        (
            f"{WANDB}test_a_trial_whose_wandb_died_or_hangs_gets_a_new_one_within_seconds",
            f"{WANDB}test_a_trial_whose_wandb_dies_again_and_again_fails_and_is_rendered_later",
        ),
    ),
    "F19": (
        "wandb-core is stopped",
        (f"{WANDB}test_a_trial_whose_wandb_died_or_hangs_gets_a_new_one_within_seconds",),
    ),
    "F20": (
        "wandb is missing",
        (f"{WANDB}test_a_trial_without_wandb_is_trained_and_says_what_is_missing",),
    ),
    "F21": (
        "SIGTERM in a step, a validation, a checkpoint",
        (f"{SIGNALS}test_a_signal_saves_the_trial_and_it_goes_on_bit_for_bit",),
    ),
    "F22": (
        "a second SIGTERM, or SIGKILL behind it",
        (f"{SIGNALS}test_a_second_signal_ends_it_at_once_and_damages_nothing",),
    ),
    "F23": (
        "SIGUSR1 under Slurm",
        (f"{SIGNALS}test_under_slurm_nothing_is_requeued_and_no_foreign_checkpoint_is_taken",),
    ),
    "F24": (
        "a foreign hpc_ckpt_1.ckpt",
        (f"{SIGNALS}test_under_slurm_nothing_is_requeued_and_no_foreign_checkpoint_is_taken",),
    ),
    "F25": (
        "a loss that is no number",
        ("test_trial.py::test_an_exploding_learning_rate_ends_as_diverged_with_finite_weights",),
    ),
    "F26": (
        "an infinite gradient",
        ("test_training.py::test_what_is_not_finite_ends_the_trial_before_the_update",),
    ),
    "F27": (
        "MemoryError, or torch finds no memory",
        (
            f"{ENGINE}test_out_of_memory_counts_when_it_comes_again_alone",
            f"{ENGINE}test_out_of_memory_once_only_is_no_result",
        ),
    ),
    "F28": (
        "the kernel kills for want of memory",
        (f"{ENGINE}test_what_the_kernel_kills_counts_only_for_want_of_memory",),
    ),
    "F29": (
        "a trial hangs",
        (f"{ENGINE}test_a_trial_that_hangs_is_ended_and_failed_and_another_goes_on",),
    ),
    "F30": (
        "the clock jumps",
        (f"{ENGINE}test_no_order_of_events_depends_on_a_clock_that_jumps",),
    ),
    "F31": (
        "no open files left",
        (f"{ERRORS}test_without_open_files_left_a_trial_says_what_to_raise",),
    ),
    "F32": (
        "the study's folder is moved away",
        (
            f"{ERRORS}test_a_folder_that_is_moved_away_is_not_made_anew",
            "test_running.py::test_a_folder_moved_away_while_its_trials_run_is_not_made_anew",
        ),
    ),
    "F33": ("several W&B folders of one trial", ()),
    "F34": (
        "a log that is being written while it is read",
        ("test_wandb_log.py::test_a_log_that_is_being_written_gives_the_rows_so_far",),
    ),
    "F35": (
        "a log with a header only",
        ("test_wandb_log.py::test_a_cut_anywhere_leaves_the_rows_before_it_and_is_named",),
    ),
    "F36": (
        "no trials, all failed, one seed",
        ("test_report.py::test_a_report_claims_nothing_that_the_data_do_not_hold",),
    ),
    "F37": (
        "one damaged trial",
        ("test_sources.py::test_a_damaged_trial_is_left_out_and_reported_and_the_others_are_read",),
    ),
    "F38": (
        "other threads, torch or settings at the resume",
        (
            f"{ENGINE}test_a_resume_under_other_settings_goes_on_and_says_so",
            f"{ENGINE}test_a_trial_begun_anew_under_other_settings_is_bit_exact",
        ),
    ),
    "F39": (
        "power loss",
        (),
    ),
    "F40": (
        "processes left behind",
        (f"{ENGINE}test_a_worker_that_is_to_stop_saves_and_leaves_no_process", LAUNCHERS),
    ),
}
"""For each fault what it is, and its tests."""

REASONS = {
    "F33": (
        "cannot come about: a log is written once, in one go, after what an earlier attempt wrote "
        "was removed, and `result.json` names the one that counts, with its hash"
    ),
    "F39": (
        "needs hardware: what holds at each system call (F3), with an fsync of the file before and "
        "of the folder after each replacement, holds for a disk that keeps its word"
    ),
}
"""For the faults without a test, why."""
