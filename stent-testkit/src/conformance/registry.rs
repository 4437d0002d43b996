//! The one list of cases: area, case, the contracts that it checks.

use super::Case;

crate::__conformance_cases!(__conformance_registry);

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_registry {
    ($($area:ident { $($case:ident [$($contract:literal),+],)* })*) => {
        /// Every case of the suite.
        pub static REGISTRY: &[Case] = &[$($(
            Case {
                area: stringify!($area),
                name: stringify!($case),
                contracts: &[$($contract),+],
                run: |fixture| Box::pin(super::$area::$case(fixture)),
            },
        )*)*];
    };
}

/// Gives the list of cases to another macro: the registry's own, or that which makes tests of them.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($callback:ident) => {
        $crate::__conformance_cases_of_activations! {
            $callback
            dispatch {
                a_dispatch_makes_one_pending_execution ["C-Q1", "C-Q2"],
                a_repeated_dispatch_does_not_begin_an_ended_execution_again ["C-Q2"],
                a_batch_is_answered_item_by_item ["C-Q2"],
                a_large_batch_is_made_whole ["C-Q1"],
                a_root_that_is_not_due_is_scheduled ["C-Q1"],
                what_was_dispatched_is_what_is_claimed_and_shown ["C-Q2", "C-Y2"],
                payloads_of_any_bytes_come_back_unchanged ["C-Q2"],
                extreme_priorities_and_times_are_stored ["C-Q1", "C-X2"],
                a_dedup_key_gives_the_existing_execution ["C-K3"],
                a_dedup_key_of_another_function_or_input_is_a_conflict ["C-K3"],
                a_dedup_key_is_known_within_its_batch ["C-K3"],
                dedup_keys_are_exact ["C-K3"],
                retention_frees_a_dedup_key ["C-X3"],
                an_execution_with_a_result_is_born_completed ["C-K1"],
                a_deadline_counts_from_the_scheduled_start ["C-T3"],
            }
            birth {
                a_root_is_born_under_a_claim ["C-Q2", "C-Y4"],
                what_is_born_under_a_claim_is_taken_over_like_any_other ["C-Q2", "C-Y4"],
                what_is_born_under_a_claim_may_be_released ["C-Y4"],
                what_was_there_before_is_not_born_again ["C-Q2", "C-K3"],
                a_batch_may_hold_both ["C-Q2"],
                a_result_goes_before_a_claim ["C-K1"],
                children_are_born_under_claims ["C-Q2", "C-R10"],
                children_are_born_once_and_under_their_parents_claim ["C-Q2"],
            }
            cancel {
                every_open_state_can_be_cancelled ["C-X1"],
                a_repeated_cancel_is_done ["C-X1"],
                an_ended_execution_is_not_cancelled ["C-X1", "C-X3"],
                an_unknown_execution_is_unknown ["C-X1"],
                a_cancel_reaches_every_level_and_every_open_state ["C-X1", "C-Y6"],
                a_cancel_reaches_thousands_of_tasks ["C-X1"],
                a_holder_learns_of_the_cancel_and_writes_nothing_more ["C-X1"],
                a_cancel_touches_no_other_execution ["C-X1"],
                a_cancelled_task_shows_its_end ["C-X1"],
            }
            expire {
                a_deadline_passes_at_its_exact_time ["C-T3"],
                the_earliest_deadlines_go_first ["C-T3"],
                every_open_state_times_out ["C-T3"],
                ended_and_unbounded_executions_do_not_time_out ["C-T3", "C-X3"],
                a_deadline_cancels_everything_open_below ["C-T3"],
                holders_learn_of_the_deadline ["C-T3", "C-Q2"],
                an_outcome_before_the_sweep_stands ["C-T3"],
            }
            claim {
                tasks_come_by_priority_then_due_time_then_id ["C-Q1"],
                the_order_holds_from_claim_to_claim ["C-Q1"],
                the_items_of_a_map_come_by_index ["C-Q1", "C-M1"],
                a_claim_gives_at_most_its_limit ["C-Q1"],
                a_large_limit_is_filled ["C-Q1"],
                tasks_of_unknown_functions_stay_pending ["C-R7"],
                versions_match_exactly ["C-R7"],
                queues_are_served_by_those_who_serve_them ["C-Q1"],
                tags_need_one_in_common ["C-Q1"],
                queue_and_tags_restrict_together ["C-Q1"],
                no_crowd_of_others_makes_a_claim_falsely_empty ["C-Q1"],
                a_worker_may_have_hundreds_of_functions ["C-Q1"],
                due_tasks_are_promoted_at_their_exact_time ["C-Q1"],
                promotion_goes_by_steps_in_due_order ["C-Q1"],
                a_timer_wakes_a_suspended_task ["C-Q1", "C-Q4"],
                a_suspended_task_without_a_timer_is_not_free ["C-Q1", "C-Q2"],
                a_claim_tells_when_the_next_task_falls_due ["C-Q1"],
                a_claim_tells_when_the_next_deadline_passes ["C-T3"],
                a_poll_takes_what_a_claim_takes ["C-Q1", "C-Q2", "C-Q3"],
                a_poll_that_finds_nothing_tells_what_comes_next ["C-Q1", "C-R7", "C-T3"],
                a_repeated_claim_gives_the_same_tasks ["C-Q2"],
                a_repeated_claim_after_an_end_takes_no_other ["C-Q2", "C-Y4"],
                a_claim_bears_the_callers_token ["C-Q2"],
                a_claimed_child_names_its_family ["C-Q1"],
                an_empty_store_gives_an_empty_claim ["C-Q1"],
                a_released_task_keeps_its_place_in_the_order ["C-Y4", "C-Q1"],
                a_function_listed_twice_gives_each_task_once ["C-Q2"],
            }
            takeover {
                an_expired_claim_is_taken_over_at_its_exact_time ["C-Q2"],
                expired_claims_and_pending_tasks_share_one_order ["C-Q1"],
                expired_claims_can_be_left_alone ["C-Y4"],
                an_expired_claim_goes_only_to_those_who_may_have_it ["C-Q2"],
                a_claim_with_an_empty_journal_is_an_attempt ["C-Y4"],
                a_replay_is_no_attempt_and_lost_deliveries_are_counted ["C-Y4"],
                making_a_child_counts_as_growth ["C-Y4"],
                a_claim_that_did_not_run_out_ends_the_count_of_deliveries ["C-Y4"],
                the_journals_time_begins_with_its_first_turn ["C-R6"],
                the_next_attempt_is_told_of_the_last_failure ["C-Y3"],
            }
            limits {
                the_limit_is_exact ["C-Q3"],
                the_limit_is_shared_by_all_handles ["C-Q3"],
                a_full_function_does_not_make_a_claim_falsely_empty ["C-Q1", "C-Q3"],
                every_function_has_its_own_places ["C-Q3"],
                a_place_is_held_while_suspended_and_woken ["C-Q3"],
                a_place_is_held_when_the_lease_runs_out ["C-Q3"],
                a_held_place_is_not_given_to_a_higher_priority ["C-Q3"],
                a_place_is_free_after_an_end_and_during_a_retry ["C-Q3"],
                a_place_is_free_after_a_cancel_and_a_deadline ["C-Q3", "C-X1", "C-T3"],
                a_release_with_an_empty_journal_frees_the_place ["C-Q3"],
                a_release_with_a_journal_keeps_the_place ["C-Q3"],
                recursion_cannot_lock_itself_up ["C-Q3"],
                an_ancestor_that_is_claimed_with_a_task_is_not_counted_against_it ["C-Q3"],
                siblings_share_the_places_below_an_ancestor ["C-Q3"],
                only_ancestors_of_the_same_function_are_left_out ["C-Q3"],
                a_repeated_claim_takes_no_second_place ["C-Q3"],
                a_repeated_end_frees_no_second_place ["C-Q3"],
                a_changed_limit_holds_from_the_next_claim_on ["C-Q3"],
                limits_show_the_places_held ["C-Q3"],
                the_versions_of_a_function_share_its_places ["C-Q3"],
            }
            lease {
                a_renewal_holds_for_another_lease ["C-Q2"],
                a_renewal_may_change_the_length_of_the_lease ["C-Q2"],
                an_expired_claim_is_renewed_if_nobody_took_it ["C-Q2"],
                a_claim_taken_over_is_lost ["C-Q2"],
                a_claim_that_was_given_up_is_lost ["C-Q2"],
                a_cancelled_claim_is_told_so ["C-X1"],
                an_unknown_claim_is_lost ["C-Q2"],
                renewals_are_answered_claim_by_claim ["C-Q2"],
                a_renewal_of_one_claim_leaves_others_of_its_token_alone ["C-Q2"],
            }
            fencing {
                a_claim_that_was_taken_over_writes_nothing ["C-Q2"],
                a_claim_of_a_cancelled_task_writes_nothing ["C-X1"],
                a_claim_of_a_timed_out_task_writes_nothing ["C-T3"],
                an_invented_token_writes_nothing ["C-Q2"],
                an_earlier_claim_of_an_ended_task_writes_nothing ["C-X3"],
                a_claim_that_was_given_up_takes_no_turn ["C-Q2"],
                an_ended_claim_cannot_end_otherwise ["C-X3"],
                a_lost_claim_in_a_batch_harms_no_other ["C-Q2"],
                a_late_holder_that_was_not_superseded_may_still_complete ["C-Q2"],
                a_claim_of_an_unknown_task_is_lost ["C-Q2"],
            }
            worker {
                a_worker_is_shown_as_it_announces_itself ["C-X2", "C-Q6"],
                a_later_renewal_replaces_the_record ["C-X4"],
                workers_are_listed_by_id ["C-Q6"],
                a_lapse_frees_the_claims_of_one_worker ["C-Q6"],
                a_lapsed_claim_has_run_out ["C-Q6", "C-Y4"],
                a_lapsed_worker_that_lives_may_renew ["C-Q6", "C-Q2"],
                a_lapse_of_nothing_changes_nothing ["C-Q6"],
            }
            race {
                many_workers_claim_each_task_once ["C-Q2"],
                expired_claims_are_taken_over_once ["C-Q2"],
                concurrent_claims_share_the_places_exactly ["C-Q3"],
                concurrent_dispatches_of_one_key_create_one ["C-K3"],
                concurrent_dispatches_of_one_id_create_one ["C-Q2"],
                a_cancel_and_a_completion_agree ["C-X1", "C-X3"],
                a_cancel_and_a_claim_agree ["C-X1"],
                concurrent_cancels_are_all_done ["C-X1"],
                concurrent_sweeps_end_each_execution_once ["C-T3"],
                a_renewal_and_a_takeover_agree ["C-Q2"],
                a_repeated_end_acts_once_whoever_sends_it ["C-Q2", "C-Y5"],
                a_write_is_seen_by_every_process_at_once ["C-Q2"],
                a_cancel_leaves_nothing_open_that_a_turn_makes_meanwhile ["C-X1"],
                an_end_leaves_nothing_open_that_is_made_below_meanwhile ["C-Y6"],
                a_deadline_and_a_completion_agree ["C-T3", "C-X3"],
            }
            reopen {
                accepted_dispatches_survive ["C-Q2"],
                claims_survive ["C-Q2"],
                journals_survive ["C-R1"],
                ends_survive ["C-X3"],
                suspended_tasks_survive_with_their_waits ["C-Q5"],
                signals_survive ["C-S1", "C-S3"],
                variables_memo_and_places_survive ["C-V1", "C-K2", "C-Q3"],
                retries_and_workers_survive ["C-Y3", "C-Q6"],
            }
            inspect {
                executions_are_listed_by_state ["C-X3"],
                a_started_execution_is_running_between_two_claims ["C-X3"],
                executions_are_listed_by_what_they_are ["C-X3"],
                pages_of_executions_have_no_gaps ["C-X3"],
                a_page_is_bounded ["C-X3"],
                the_unknown_is_nothing ["C-X3"],
                children_are_tasks_and_no_executions ["C-X3"],
                tasks_are_listed_by_what_they_are ["C-X3"],
                pages_of_tasks_have_no_gaps ["C-X3"],
                a_task_shows_what_it_is ["C-X3"],
                an_ended_task_is_due_no_more ["C-X3"],
                payloads_are_read_by_task ["C-X3"],
                waits_of_suspended_tasks_are_shown ["C-Q4"],
                queues_show_their_depth ["C-Q1"],
                reading_changes_nothing ["C-V2"],
            }
            count {
                executions_are_counted_by_when_they_ended ["C-X3"],
                children_are_counted_by_function_and_state ["C-X3"],
            }
            history {
                a_waiting_task_says_why_it_waits ["C-Y3", "C-X3"],
                an_ended_task_shows_its_size_or_its_failure ["C-X3"],
                a_journal_is_shown_without_its_payloads ["C-R10"],
                progress_is_notes_and_chunks_in_order ["C-V2", "C-M4"],
                dead_letters_are_snapshots_and_listed ["C-Y5"],
            }
            maintain {
                retention_deletes_what_ended_before_its_time ["C-X3"],
                retention_knows_every_end ["C-X3"],
                retention_never_touches_what_is_open ["C-X3"],
                retention_leaves_nothing_of_an_execution ["C-X3"],
                a_marked_execution_is_gone_for_everyone ["C-X3"],
                retention_works_in_bounded_steps ["C-X3"],
                retention_of_a_maker_leaves_what_it_dispatched ["C-Y6"],
                memo_goes_by_its_own_expiry ["C-K2", "C-X3"],
                workers_that_were_not_heard_of_go ["C-Q6", "C-X3"],
                a_dead_letter_can_be_discarded ["C-Y5"],
                migration_may_be_repeated ["S21"],
                a_living_store_answers_a_ping ["C-X2"],
                a_deleted_task_holds_no_key ["C-K2"],
            }
        }
    };
}
