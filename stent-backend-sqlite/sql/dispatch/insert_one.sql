-- ?1: execution; ?2 to ?14: function, version, input, fingerprint, queue, tags, priority, policy, trace, memo key, mode and ttl, due time; ?15, ?16: duration and
-- deadline; ?17 to ?19: worker, token and end of the lease of the claim that it is made with; ?20: now.
INSERT INTO tasks (id, execution, depth, function, version, input, fingerprint, queue, tags, priority, retry, trace, memo_key, memo_mode, memo_ttl, state, due,
                   created_at, max_duration, deadline, worker, token, claimed_at, lease_until, started_at, journal_from, attempt, counted)
VALUES (?1, ?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'running', ?14, ?20, ?15, ?16, ?17, ?18, ?20, ?19, ?20, ?20, 1, 1)
ON CONFLICT DO NOTHING;
