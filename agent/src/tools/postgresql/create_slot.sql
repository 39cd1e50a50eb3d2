select pg_create_physical_replication_slot(:'slot');
