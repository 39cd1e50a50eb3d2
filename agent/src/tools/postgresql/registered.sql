-- Whose is the record of this id?
\connect repmgr
\echo #registered
select node_name from repmgr.nodes where node_id = :'node_id';
\echo #end
