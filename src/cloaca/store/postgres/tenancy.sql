-- The statements that create and remove tenants, by name. Identifiers are quoted when they are filled in. A role's
-- password is never sent, only a verifier computed from it.

-- name: find_names
select exists (select 1 from pg_namespace where nspname = %s), exists (select 1 from pg_roles where rolname = %s);

-- name: take_turns
select pg_advisory_xact_lock(hashtextextended('cloaca tenants', 0));

-- name: create_role
create role {user} login nosuperuser nocreatedb nocreaterole noinherit noreplication nobypassrls password {verifier};

-- name: is_superuser
select rolsuper from pg_roles where rolname = current_user;

-- name: become_member
grant {user} to current_user;

-- name: cease_to_be_member
revoke {user} from current_user;

-- name: create_schema
create schema {schema} authorization {user};

-- name: act_as
set local role {user};

-- name: act_as_before
set local role none;

-- name: keep_functions_private
alter default privileges revoke execute on functions from public;

-- name: may_connect
select has_database_privilege(%s, current_database(), 'connect');

-- name: let_connect
grant connect on database {database} to {user};

-- name: is_public_open
select 1 from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
where n.nspname = 'public' and a.grantee = 0;

-- name: close_public
revoke all on schema public from public;

-- name: list_rights
-- The rights of the role outside its schema: in other schemas, and in the database.
select 'in schema ' || quote_ident(nspname), 'revoke all on schema ' || quote_ident(nspname) || ' from public'
from pg_namespace n, (select oid from pg_roles where rolname = %s) r
where nspname <> %s and nspname !~ '^pg_' and nspname <> 'information_schema'
    and (has_schema_privilege(r.oid, n.oid, 'usage') or has_schema_privilege(r.oid, n.oid, 'create'))
union all
select 'to create schemas', 'revoke create on database ' || quote_ident(current_database()) || ' from public'
from (select oid from pg_roles where rolname = %s) r
where has_database_privilege(r.oid, current_database(), 'create');

-- name: find_tenant
-- A role as create_role makes them, and a schema that it owns.
select r.oid from pg_roles r join pg_namespace n on n.nspowner = r.oid
where n.nspname = %s and r.rolname = %s and r.rolname <> current_user
    and not (r.rolsuper or r.rolcreatedb or r.rolcreaterole or r.rolreplication or r.rolbypassrls);

-- name: list_belongings
-- What would be lost, or would prevent dropping the role: what it owns outside its schema, and anything in
-- another database. Large objects are in no schema, any role may create them, and they are dropped with it.
select case when d.dbid in (0, here.oid) then pg_describe_object(d.classid, d.objid, d.objsubid)
    else 'something in database ' || coalesce((select quote_ident(datname) from pg_database where oid = d.dbid), '?') end
from pg_shdepend d, (select oid from pg_database where datname = current_database()) here
where d.refclassid = 'pg_authid'::regclass and d.refobjid = %s
    and (d.dbid not in (0, here.oid) or (
        d.deptype = 'o' and d.classid not in ('pg_default_acl'::regclass, 'pg_largeobject'::regclass)
        and (d.classid, d.objid) is distinct from
            ('pg_namespace'::regclass::oid, (select oid from pg_namespace where nspname = %s))
        and coalesce((select i.schema <> %s and i.schema !~ '^pg_temp'
                      from pg_identify_object(d.classid, d.objid, d.objsubid) i), true)
    ))
order by 1 limit 5;

-- name: shut_out
alter role {user} nologin;

-- name: end_sessions
select pg_terminate_backend(pid, 5000) from pg_stat_activity where usesysid = %s;

-- name: drop_schema
drop schema {schema} cascade;

-- name: drop_rights
drop owned by {user};

-- name: drop_role
drop role {user};
