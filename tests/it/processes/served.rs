//! The same tests with a `playbook serve` that owns the state: every command in them is its client. What kills a process of the
//! command line is not here, as no run lives there then; `serve.rs` kills the server.

use super::as_client;

macro_rules! as_clients {
    ($module:ident: $($name:ident)*) => {
        mod $module {
            use super::as_client;
            use crate::processes::$module;

            $(
                #[test]
                fn $name() {
                    as_client($module::$name);
                }
            )*
        }
    };
}

as_clients! { brakes:
    a_broken_invariant_takes_the_run_back
    a_budget_ends_a_look_that_waits_and_takes_the_run_back
    a_no_undoes_what_was_done
    a_role_that_is_given_while_the_run_waits_counts
    a_run_waits_for_an_approval_of_another_process_and_goes_on
    an_approval_can_be_given_ahead
    an_approval_outlives_the_runner
    behind_the_point_of_no_return_a_person_decides
    nobody_answers_and_the_default_is_taken
    what_is_broken_already_is_seen_by_the_dry_run_and_changes_nothing
    who_has_no_such_role_changes_nothing
}

as_clients! { groups:
    a_list_that_is_empty_double_or_too_long_is_no_plan
    a_plan_looks_at_all_targets_at_the_same_time
    no_more_items_are_worked_on_at_once_than_is_said
    parallel_steps_run_at_the_same_time
    siblings_finish_before_a_failure_is_undone_in_reverse_order
    too_many_failures_undo_only_the_items_that_were_begun
    what_turns_out_to_be_no_list_is_gone_over_by_nobody
}

as_clients! { halts:
    a_run_is_undone_despite_a_halt_where_somebody_says_so_and_why
    an_undo_stands_still_as_well
    it_halts_on_a_disk_that_is_full
    no_intent_follows_on_a_halt_and_a_run_of_short_steps_stands_still_within_a_second
}

as_clients! { output:
    much_output_is_counted_and_hashed_and_not_kept_in_memory
    orders_to_a_terminal_are_neutralised
}

as_clients! { over:
    items_that_are_done_are_not_done_again
    killed_in_the_middle_of_taking_over_one_of_both_holds_the_lock
    what_nobody_would_undo_is_said_with_the_way_out
}

as_clients! { policies:
    a_failure_goes_on_at_a_later_step
    a_failure_is_accepted
    a_failure_is_rolled_back
    a_failure_is_rolled_back_to_a_checkpoint
    a_requirement_of_a_read_step_stops_the_run_before_anything_changes
    a_run_that_waits_takes_an_answer_of_another_process
    a_verification_is_waited_for_and_undone_where_it_does_not_come
    conditions_and_needs_skip
    outputs_are_read_and_given_on
    what_may_run_again_is_tried_as_often_as_it_says
    what_may_run_once_is_not_tried_again
}

as_clients! { requests:
    a_lock_has_one_holder_and_is_free_after_its_run
    a_stuck_run_keeps_its_lock
    of_many_that_resume_at_once_one_does
    of_many_that_start_at_once_one_gets_the_lock
}

as_clients! { skips:
    a_step_ahead_of_a_live_run_is_skipped
    an_item_and_a_whole_group_are_skipped
    an_undo_that_a_person_has_done_is_not_done_again
}
