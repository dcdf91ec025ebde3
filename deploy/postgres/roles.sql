-- The two databases and their owners. Run once as a superuser, with psql, which
-- fills in :'control_password' and :'site_password' (see README.md).
CREATE ROLE holdfast_control LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'control_password';
CREATE ROLE holdfast_site LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'site_password';

-- Bytewise order everywhere, whatever the server's locale is.
CREATE DATABASE control OWNER holdfast_control TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE site OWNER holdfast_site TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';

REVOKE ALL ON DATABASE control FROM PUBLIC;
REVOKE ALL ON DATABASE site FROM PUBLIC;
GRANT CONNECT ON DATABASE control TO holdfast_control;
GRANT CONNECT ON DATABASE site TO holdfast_site;
