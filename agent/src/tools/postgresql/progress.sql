-- How far the base backup of one client is; the client's name tells several apart.
\echo #progress
select progress.backup_streamed as done, progress.backup_total as total
from pg_stat_progress_basebackup as progress
join pg_stat_activity as activity using (pid)
where activity.application_name = :'client';
