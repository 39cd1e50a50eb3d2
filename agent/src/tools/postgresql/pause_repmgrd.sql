-- Kept over restarts of the server and of repmgrd.
\connect repmgr
select repmgr.repmgrd_pause(:'paused');
