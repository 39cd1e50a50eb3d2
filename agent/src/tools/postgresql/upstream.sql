-- Is it the right cluster, and can it be cloned from?
\echo #upstream
select (select system_identifier from pg_control_system()) as system_identifier;
\echo #end
