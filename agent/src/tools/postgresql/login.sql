-- A login as members make it: an ordinary connection, then a replication connection.
\echo #ordinary
select 1 as ok;
\connect -reuse-previous=on "replication=true"
\echo #replication
IDENTIFY_SYSTEM;
\echo #end
