CREATE TABLE agent_spans (
	span_id INTEGER NOT NULL,
	agent_id VARCHAR NOT NULL,
	campaign VARCHAR,
	state VARCHAR NOT NULL,
	reason VARCHAR NOT NULL,
	from_at FLOAT NOT NULL,
	to_at FLOAT NOT NULL,
	call_id INTEGER,
	PRIMARY KEY (span_id)
);
CREATE INDEX agent_spans_campaign_to_at ON agent_spans (campaign, to_at);
CREATE INDEX agent_spans_to_at ON agent_spans (to_at);
CREATE TABLE attempts (
	call_id INTEGER NOT NULL,
	campaign VARCHAR NOT NULL,
	lead_id INTEGER NOT NULL,
	number VARCHAR NOT NULL,
	mode VARCHAR NOT NULL,
	placed_at FLOAT NOT NULL,
	ringing_at FLOAT,
	answered_at FLOAT,
	classified_at FLOAT,
	greeting_start_at FLOAT,
	greeting_end_at FLOAT,
	abandoned_at FLOAT,
	bridged_at FLOAT,
	released_at FLOAT,
	disposed_at FLOAT,
	agent_id VARCHAR,
	is_reserved BOOLEAN NOT NULL,
	is_live BOOLEAN NOT NULL,
	is_abandoned BOOLEAN NOT NULL,
	is_late_connect BOOLEAN NOT NULL,
	outcome VARCHAR,
	disposition VARCHAR,
	is_success BOOLEAN NOT NULL,
	is_right_party BOOLEAN NOT NULL,
	released_by VARCHAR NOT NULL,
	cause VARCHAR NOT NULL,
	rule VARCHAR NOT NULL,
	number_rank INTEGER NOT NULL,
	attempt_rank INTEGER NOT NULL,
	PRIMARY KEY (call_id)
);
CREATE INDEX attempts_campaign_placed_at ON attempts (campaign, placed_at);
CREATE INDEX attempts_live ON attempts (campaign, answered_at) WHERE is_live = 1;
CREATE INDEX attempts_open ON attempts (call_id) WHERE released_at IS NULL;
CREATE INDEX attempts_placed_at ON attempts (placed_at);
CREATE TABLE blocked (
	seller VARCHAR NOT NULL,
	e164 VARCHAR NOT NULL,
	reason VARCHAR NOT NULL,
	PRIMARY KEY (seller, e164)
)
 WITHOUT ROWID;
CREATE TABLE campaigns (
	name VARCHAR NOT NULL,
	seller VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	policy VARCHAR NOT NULL,
	open_leads INTEGER NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE changes (
	change_id INTEGER NOT NULL,
	campaign VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	action VARCHAR NOT NULL,
	"before" VARCHAR NOT NULL,
	"after" VARCHAR NOT NULL,
	reason VARCHAR NOT NULL,
	who VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	PRIMARY KEY (change_id)
);
CREATE INDEX changes_at ON changes (at);
CREATE TABLE decisions (
	decision_id INTEGER NOT NULL,
	campaign VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	mode VARCHAR NOT NULL,
	calls INTEGER NOT NULL,
	wanted INTEGER NOT NULL,
	allowed INTEGER NOT NULL,
	limited_by VARCHAR NOT NULL,
	runner_up VARCHAR NOT NULL,
	runner_up_calls INTEGER NOT NULL,
	is_reserved BOOLEAN NOT NULL,
	terms VARCHAR NOT NULL,
	PRIMARY KEY (decision_id)
);
CREATE INDEX decisions_campaign_at ON decisions (campaign, at);
CREATE TABLE imports (
	import_id INTEGER NOT NULL,
	campaign VARCHAR NOT NULL,
	source VARCHAR NOT NULL,
	digest VARCHAR NOT NULL,
	policy_digest VARCHAR NOT NULL,
	at FLOAT NOT NULL,
	loaded INTEGER NOT NULL,
	merged INTEGER NOT NULL,
	unchanged INTEGER NOT NULL,
	PRIMARY KEY (import_id)
);
CREATE TABLE journal (
	seq INTEGER NOT NULL,
	at FLOAT NOT NULL,
	entry BLOB NOT NULL,
	PRIMARY KEY (seq)
);
CREATE TABLE lead_numbers (
	campaign VARCHAR NOT NULL,
	e164 VARCHAR NOT NULL,
	lead_id INTEGER NOT NULL,
	PRIMARY KEY (campaign, e164)
)
 WITHOUT ROWID;
CREATE INDEX lead_numbers_e164 ON lead_numbers (e164);
CREATE TABLE leads (
	lead_id INTEGER NOT NULL,
	campaign VARCHAR NOT NULL,
	place INTEGER NOT NULL,
	order_key VARCHAR NOT NULL,
	due_at FLOAT NOT NULL,
	reason VARCHAR NOT NULL,
	attempts INTEGER NOT NULL,
	tries VARCHAR NOT NULL,
	last_attempt_at FLOAT,
	last_outcome VARCHAR NOT NULL,
	callback VARCHAR,
	numbers VARCHAR NOT NULL,
	number_count INTEGER NOT NULL,
	shuffle INTEGER NOT NULL,
	name VARCHAR NOT NULL,
	segment VARCHAR NOT NULL,
	priority INTEGER NOT NULL,
	zone VARCHAR,
	external_id VARCHAR NOT NULL,
	fields VARCHAR NOT NULL,
	PRIMARY KEY (lead_id)
);
CREATE INDEX leads_claimed ON leads (lead_id) WHERE place = 2;
CREATE INDEX leads_ready ON leads (campaign, order_key) WHERE place = 0;
CREATE INDEX leads_waiting ON leads (campaign, due_at) WHERE place = 1;
CREATE TABLE meta (
	"key" VARCHAR NOT NULL,
	value INTEGER NOT NULL,
	PRIMARY KEY ("key")
);
