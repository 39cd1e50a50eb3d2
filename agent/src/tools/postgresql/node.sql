-- Everything that a reading asks a server, in one connection and one run of psql.
-- Read-only, constant. Statements of newer servers stand behind \if.
\echo #server
select current_setting('server_version') as version,
       current_setting('server_version_num') as version_number,
       pg_is_in_recovery() as in_recovery,
       (select system_identifier from pg_control_system()) as system_identifier,
       (extract(epoch from pg_conf_load_time()) * 1000)::bigint as config_loaded_at_ms;
\echo #receiver
select status from pg_stat_wal_receiver;
\echo #recovery
-- A server that has just started has received nothing, or less than what it replays out of its own files.
select pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')::bigint
         as received_lsn,
       case when pg_is_in_recovery() then pg_is_wal_replay_paused() end as replay_paused;
\echo #wal
select case when pg_is_in_recovery() then null
            else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint end as timeline,
       case when pg_is_in_recovery() then null
            else pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint end as written_lsn,
       case when pg_is_in_recovery() then null else (
           select min(('x' || substr(name, 9, 8))::bit(32)::bigint * 4294967296
                      + ('x' || substr(name, 17, 8))::bit(32)::bigint
                        * pg_size_bytes(current_setting('wal_segment_size')))
           from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$') end as oldest_wal_lsn;
\echo #history
select split_part(ltrim(line), E'\t', 1)::bigint as timeline,
       pg_wal_lsn_diff(split_part(ltrim(line), E'\t', 2)::pg_lsn, '0/0')::bigint as ends_lsn
from (select case when pg_is_in_recovery() then null
                  else pg_read_file('pg_wal/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
                                    || '.history', 0, 1048576, true) end as text) as history,
     regexp_split_to_table(history.text, E'\n') as line
where line ~ '^\s*[0-9]+\t' order by 1;
\echo #settings
select name, setting from pg_settings
where name in ('data_checksums', 'hot_standby', 'max_connections', 'max_locks_per_transaction',
               'max_prepared_transactions', 'max_replication_slots', 'max_slot_wal_keep_size',
               'max_wal_senders', 'max_worker_processes', 'password_encryption',
               'primary_slot_name', 'reserved_connections', 'server_encoding', 'shared_buffers',
               'shared_preload_libraries', 'superuser_reserved_connections', 'synchronous_commit',
               'synchronous_standby_names', 'wal_level', 'wal_log_hints')
order by name;
\echo #senders
select application_name, state, sync_state,
       case when pg_is_in_recovery() or replay_lsn is null then null
            else greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0) end as lag_bytes
from pg_stat_replication order by application_name, state;
\echo #connections
select count(*) filter (where backend_type = 'client backend') as used,
       count(*) filter (where backend_type = 'client backend'
                        and usename is distinct from session_user) as clients,
       count(*) filter (where backend_type is null) as hidden
from pg_stat_activity;
\echo #clients
select usename as user, datname as database, application_name as application,
       host(client_addr) as address, count(*)
from pg_stat_activity
where backend_type = 'client backend' and usename is distinct from session_user
group by 1, 2, 3, 4 order by 5 desc, 1, 2, 3, 4 limit 50;
\echo #slots
select slot_name, slot_type, active, wal_status from pg_replication_slots order by slot_name;
\echo #objects
select 'role:' || rolname as object from pg_roles where rolname in ('postgres', 'repmgr')
union all
select 'database:' || datname from pg_database where datname = 'repmgr'
order by 1;
\echo #hba
select line_number, error from pg_hba_file_rules where error is not null order by line_number;
select current_setting('server_version_num')::int >= 150000 as has_versions \gset
\if :has_versions
\echo #collations
select datname as database, datcollversion as created_with,
       pg_database_collation_actual_version(oid) as has_now
from pg_database where datallowconn order by datname;
\endif
\echo #size
select coalesce(sum(pg_database_size(oid)), 0) as bytes from pg_database where datallowconn;
\echo #tablespaces
select spcname as name from pg_tablespace where spcname not in ('pg_default', 'pg_global') order by 1;
select exists (select from pg_database where datname = 'repmgr') as has_database \gset
\if :has_database
\connect repmgr
select to_regclass('repmgr.nodes') is not null as has_extension \gset
\if :has_extension
\echo #repmgrd
select repmgr.repmgrd_is_running() as running, repmgr.repmgrd_is_paused() as paused;
\echo #nodes
select node_id, node_name, upstream_node_id, active, type, slot_name
from repmgr.nodes order by node_id;
\endif
\endif
\echo #end
