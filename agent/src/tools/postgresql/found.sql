-- What an adoption asks a server besides everything that a reading asks. Read-only, constant. Of the
-- connection strings of repmgr's records only the hosts: they may hold passwords.
\echo #files
select current_setting('data_directory') as data_directory,
       current_setting('config_file') as config_file, current_setting('hba_file') as hba_file,
       current_setting('log_directory') as log_directory,
       (select rolsuper from pg_roles where rolname = current_user) as superuser;
\echo #password
select coalesce(rolpassword like 'SCRAM-SHA-256$%', false) as scram from pg_authid
where rolname = current_user;
select exists (select from pg_database where datname = 'repmgr') as has_database \gset
\if :has_database
\connect repmgr
select to_regclass('repmgr.nodes') is not null as has_extension \gset
\if :has_extension
\echo #addresses
select node_id, coalesce(substring(conninfo from 'host *= *''?([^'' ]+)'), '') as host
from repmgr.nodes order by node_id;
\endif
\endif
\echo #end
