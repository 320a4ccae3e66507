-- Pages of one status, whatever the workflow.
create index executions_by_status on cloaca.executions (status, seq);
