-- $1: functions whose rows were made for their lock alone: operators see those of which a task was claimed.
DELETE FROM limits WHERE function = ANY ($1::text[]);
