-- What a cluster of ours has besides its bootstrap role. Safe to repeat.
-- The role postgres has no password: it logs in over the unix socket only.
select not exists (select from pg_roles where rolname = 'postgres') as has_no_role \gset
\if :has_no_role
create role postgres superuser login;
\endif
select not exists (select from pg_database where datname = 'repmgr') as has_no_database \gset
\if :has_no_database
create database repmgr owner repmgr;
\endif
