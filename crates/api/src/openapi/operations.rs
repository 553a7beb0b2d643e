//! Every operation of `/v2`, in the order of the page.

use super::Described;

macro_rules! operations {
    ($($tag:literal { $($method:ident $template:literal $id:ident $needs:literal $summary:literal
        ($($parameter:literal),*) $($body:ident)? -> $status:literal $($answer:ident)?;)* })*) => {
        /// Every operation.
        pub(super) static ALL: &[Described] = &[$($(Described {
            method: stringify!($method),
            template: $template,
            id: stringify!($id),
            tag: $tag,
            summary: $summary,
            needs: $needs,
            parameters: &[$($parameter),*],
            body: operations!(@one $($body)?),
            answer: ($status, operations!(@one $($answer)?)),
        },)*)*];
    };
    (@one) => { None };
    (@one $name:ident) => { Some(stringify!($name)) };
}

operations! {
    "Project" {
        GET "/v2/project" getProject "any" "The key's project and its settings" () -> 200 Project;
        PATCH "/v2/project" changeProject "manage_keys" "Change the name or settings; null goes back to the default" () ProjectChange -> 200 Project;
        POST "/v2/project/hook/test" testHook "manage_keys" "Ask the access hook a made-up question, and say what it answered or why that is no answer" () HookTest -> 200 HookTested;
        POST "/v2/find" find "any" "Find anything by an id, a secret, a name, or how a name begins: what the key may see anyway" () Find -> 200 FindResults;
    }
    "Project keys" {
        GET "/v2/keys" listKeys "manage_keys" "Keys, revoked ones too, never their secrets" ("limit", "cursor") -> 200 KeyPage;
        POST "/v2/keys" createKey "manage_keys" "Create a key; its secret is in this answer alone" () NewKey -> 201 Key;
        GET "/v2/keys/:key" getKey "manage_keys" "One key" () -> 200 Key;
        PATCH "/v2/keys/:key" changeKey "manage_keys" "Change a key's name, policy or end" () KeyChange -> 200 Key;
        POST "/v2/keys/:key/rotate" rotateKey "manage_keys" "Make a successor; the old key works until its grace ends" () Grace -> 201 Key;
        POST "/v2/keys/:key/revoke" revokeKey "manage_keys" "Revoke a key, at once and for good" () -> 200 Key;
    }
    "Tokens" {
        GET "/v2/tokens" listTokens "read_leap_tokens" "Tokens, oldest first, never their secrets; a page may be short and yet have a next one" ("limit", "cursor", "order:tokens", "user_id", "user_prefix", "channel", "status", "kind", "online", "made_by", "name") -> 200 TokenPage;
        POST "/v2/tokens" createToken "create_leap_token" "Create a token, and its user if there is none; its secret is in this answer alone" ("Idempotency-Key") NewToken -> 201 Token;
        POST "/v2/tokens/introspect" introspectToken "manage_tokens" "Say what a token is (RFC 7662), and exactly why it is refused" () Introspect -> 200 Introspection;
        GET "/v2/tokens/:token" getToken "read_leap_tokens" "One token" () -> 200 Token;
        PATCH "/v2/tokens/:token" changeToken "update_leap_token" "Change a token, live connections included; metadata is merged as RFC 7396 says" ("If-Match") TokenChange -> 200 Token;
        POST "/v2/tokens/:token/rehearse" rehearseTokenChange "update_leap_token" "Say what a change would take from a token at once; nothing is changed" ("If-Match") TokenChange -> 200 TokenLoss;
        DELETE "/v2/tokens/:token" deleteToken "update_leap_token" "Delete a token; its connections are closed" () -> 204;
        POST "/v2/tokens/:token/rotate" rotateToken "manage_tokens" "Make a new secret, in this answer alone; the old one works until its grace ends" ("Idempotency-Key", "If-Match") Grace -> 201 Token;
        GET "/v2/tokens/:token/state" getTokenState "read_leap_tokens" "A token's state and its version" () -> 200 TokenState;
        PUT "/v2/tokens/:token/state" replaceTokenState "update_leap_token" "Put an object, or null, in place of the state" ("If-Match") AnyState -> 200 TokenState;
        PATCH "/v2/tokens/:token/state" mergeTokenState "update_leap_token" "Put these keys in place of those of the state, one level deep" ("If-Match") State -> 200 TokenState;
        GET "/v2/tokens/:token/connections" listTokenConnections "read_leap_tokens" "A token's live connections" () -> 200 Connections;
        POST "/v2/tokens/:token/messages" messageToken "message_token" "Send a message to a token's connections, and learn how many there are" () Message -> 200 Reached;
        POST "/v2/tokens/:token/connections/:connection/messages" messageConnection "message_token" "Send a message to one of a token's connections: 1 if it was still there, else 0" () Message -> 200 Reached;
        GET "/v2/tokens/:token/subscriptions" listTokenSubscriptions "read_leap_tokens" "The channels that a token is subscribed to" () -> 200 Subscriptions;
        PUT "/v2/tokens/:token/subscriptions/:channel" subscribeToken "manage_channel_subscribers" "Subscribe a token to a channel of any type, live at once" () Subscribe -> 204;
        DELETE "/v2/tokens/:token/subscriptions/:channel" unsubscribeToken "manage_channel_subscribers" "End a token's subscription" () -> 204;
        POST "/v2/tokens/revoke" revokeTokens "manage_tokens" "Revoke every token that all given criteria fit, durably and at once" () Revoke -> 200 Revoked;
        POST "/v2/tokens/batch" batchTokens "manage_tokens" "Create, revoke, rotate or introspect up to 1,000 tokens; what it creates needs create_leap_token, too" () Batch -> 200 BatchResults;
        POST "/v2/tokens/:token/restore" restoreToken "manage_tokens" "Undo a revocation" () -> 200 Restored;
    }
    "Access tokens" {
        POST "/v2/tokens/:token/access-tokens" createAccessToken "manage_tokens" "Spell a token as a JWT; it ends with the token at the latest" () NewAccessToken -> 201 AccessToken;
        GET "/v2/signing-keys" listSigningKeys "manage_keys" "The keys that sign access tokens, oldest first" ("limit", "cursor") -> 200 SigningKeyPage;
        POST "/v2/signing-keys" createSigningKey "manage_keys" "Make a key that signs from a time to come, published until then" () NewSigningKey -> 201 SigningKey;
        POST "/v2/signing-keys/rotate" rotateSigningKey "manage_keys" "Make a key that signs at once; what was signed before works until it ends" () -> 201 SigningKey;
        POST "/v2/signing-keys/:kid/retire" retireSigningKey "manage_keys" "End a key; in an emergency nothing that it signed is accepted any more" () Retirement -> 200 SigningKey;
    }
    "Issuers" {
        GET "/v2/issuers" listIssuers "manage_keys" "Issuers whose JWTs are let in" ("limit", "cursor") -> 200 IssuerPage;
        POST "/v2/issuers" createIssuer "manage_keys" "Register an issuer, with exactly one of secret, pem, jwks and jwks_url" () NewIssuer -> 201 Issuer;
        GET "/v2/issuers/:issuer" getIssuer "manage_keys" "One issuer, never its secret" () -> 200 Issuer;
        PATCH "/v2/issuers/:issuer" changeIssuer "manage_keys" "Change an issuer; disabled, it is believed no more" () IssuerChange -> 200 Issuer;
        DELETE "/v2/issuers/:issuer" deleteIssuer "manage_keys" "Delete an issuer with the tokens of its users" () -> 200 IssuerDeleted;
    }
    "Users" {
        GET "/v2/users" listUsers "manage_users" "Users, in the order of their ids here, or of your own ids" ("limit", "cursor:names", "order:names", "prefix") -> 200 UserPage;
        POST "/v2/users" createUser "manage_users" "Create a user; one that a session names comes to be by itself" () NewUser -> 201 User;
        GET "/v2/users/:user" getUser "manage_users" "One user, by your own id" () -> 200 User;
        PATCH "/v2/users/:user" changeUser "manage_users" "Change a user's name or attributes" () UserChange -> 200 User;
        DELETE "/v2/users/:user" deleteUser "manage_users" "Delete a user with all its tokens; none of them ever comes back" () -> 200 TokensEnded;
        POST "/v2/users/:user/ban" banUser "manage_users" "Revoke a user's tokens and let it get no others" () -> 200 TokensEnded;
        POST "/v2/users/:user/unban" unbanUser "manage_users" "Lift a ban; the revoked tokens stay revoked" () -> 200 User;
        GET "/v2/users/:user/tokens" listUserTokens "read_leap_tokens" "A user's tokens, without their secrets" ("limit", "cursor", "order:tokens", "channel", "status", "kind", "online", "made_by", "name") -> 200 TokenPage;
        POST "/v2/users/:user/messages" messageUser "message_token" "Send a direct message to all connections of a user, and into the mailboxes of its tokens" () Message -> 200 UserReached;
    }
    "Auth tokens" {
        POST "/v2/auth-tokens" createAuthToken "create_auth_token" "Vouch for a user: make an auth token, good for one session" () NewAuthToken -> 201 AuthToken;
    }
    "A token's own" {
        GET "/v2/me" getMe "token" "The calling token" () -> 200 Token;
        DELETE "/v2/me" revokeMe "token" "Revoke the calling token: its connections are closed" () -> 204;
        GET "/v2/me/subscriptions" listMySubscriptions "token" "The channels that the calling token is subscribed to" () -> 200 Subscriptions;
    }
    "Tickets" {
        POST "/v2/tickets" createTicket "token or create_leap_token" "Make a ticket: it stands for a token once, for 30 seconds, where a token cannot be sent. A token makes one for itself; a project key names the token" () NewTicket -> 201 Ticket;
    }
    "Channels" {
        GET "/v2/channels" listChannels "read_channels" "Channels, oldest first, or in the order of their ids" ("limit", "cursor:names", "order:names", "prefix", "type") -> 200 ChannelPage;
        POST "/v2/channels" createChannel "create_channel" "Create a channel; without an id it gets one" () NewChannel -> 201 Channel;
        GET "/v2/channels/:channel" getChannel "read_channels" "One channel, with where it is and how many are online in it" () -> 200 Channel;
        PATCH "/v2/channels/:channel" changeChannel "update_channel_state" "Change capabilities and settings; what is left out stays" () ChannelChange -> 200 Channel;
        DELETE "/v2/channels/:channel" deleteChannel "delete_channels" "Delete a channel with its past; its subscribers are told" () -> 204;
        GET "/v2/channels/:channel/subscribers" listSubscribers "read_leap_tokens" "The tokens that are subscribed, oldest first, never their secrets" ("limit", "cursor") -> 200 TokenPage;
        PUT "/v2/channels/:channel/subscribers/:token" addSubscriber "manage_channel_subscribers" "Subscribe a token, live at once; `ephemeral` ends with its session" () Subscribe -> 204;
        DELETE "/v2/channels/:channel/subscribers/:token" removeSubscriber "manage_channel_subscribers" "End a token's subscription" () -> 204;
        GET "/v2/channels/:channel/state" getChannelState "token or read_channels" "A channel's state and its version" () -> 200 ChannelState;
        PUT "/v2/channels/:channel/state" replaceChannelState "token or update_channel_state" "Put an object in place of the state" ("If-Match") State -> 200 ChannelState;
        PATCH "/v2/channels/:channel/state" mergeChannelState "token or update_channel_state" "Put these keys in place of those of the state, one level deep" ("If-Match") State -> 200 ChannelState;
    }
    "Messages" {
        POST "/v2/channels/:channel/messages" publishMessage "token or publish_channel_messages" "Publish a message; answered when it has its place, and is as durable as the channel promises" ("Idempotency-Key") NewMessage -> 200 Published;
        POST "/v2/publish" publishMessages "token or publish_channel_messages" "Publish up to 100 messages into as many channels, one after another, each with an outcome of its own" () NewMessages -> 200 Results;
        GET "/v2/channels/:channel/history" readHistory "token or read_channels" "A page of what a channel keeps of its past; with `wait_ms`, wait for the first message behind `after`" ("after:position", "before", "since_at", "limit", "order:history", "wait_ms") -> 200 HistoryPage;
        GET "/v2/channels/:channel/presence" readPresence "token or read_channels" "Who is in a channel that keeps presence" ("limit:members", "after:member", "sample") -> 200 MembersPage;
    }
    "Jobs" {
        GET "/v2/jobs" listJobs "manage_tokens" "Background jobs, oldest first" ("limit", "cursor") -> 200 JobPage;
        POST "/v2/jobs" createJob "manage_tokens" "Submit a job: all entries at once, or how many will follow in parts" () NewJob -> 202 Job;
        GET "/v2/jobs/:job" getJob "manage_tokens" "How far a job is" () -> 200 Job;
        PUT "/v2/jobs/:job/parts/:part" putJobPart "manage_tokens" "Send a part, up to 1,000 entries, as an array or as lines; sending it again changes nothing" () JobPart -> 200 Job;
        POST "/v2/jobs/:job/start" startJob "manage_tokens" "Start a job whose parts have all arrived" () -> 202 Job;
        POST "/v2/jobs/:job/cancel" cancelJob "manage_tokens" "Stop a job; what was done stays done" () -> 200 Job;
        GET "/v2/jobs/:job/results" readJobResults "manage_tokens" "What came of a part, handed out once, secrets among it" ("part") -> 200 JobResults;
    }
    "Connections" {
        GET "/v2/connections" listConnections "read_leap_tokens" "Live connections; a page may be short and yet have a next one" ("limit", "cursor", "token", "user_id", "channel", "protocol", "address", "only") -> 200 ConnectionPage;
        DELETE "/v2/connections/:connection" closeConnection "manage_tokens" "End a connection. Its client may come back at once: to keep it out, revoke its token" () -> 204;
    }
    "Explaining" {
        POST "/v2/explain" explain "manage_tokens" "Say why a token may do something, or may not: each decision on the way, what its client is told, and what would change it" () Explain -> 200 Explanation;
        POST "/v2/explain/message" explainMessage "manage_tokens" "Say what became of a message for a token, in a channel or sent to it directly: what is kept of it, what waits for the token's connections, and which ended since" () ExplainMessage -> 200 MessageFate;
    }
    "Online status" {
        POST "/v2/online" queryOnline "read_leap_tokens" "Who is online, or was last seen when: up to 1,000 tokens, and users with manage_users" () OnlineQuery -> 200 Online;
    }
    "Usage" {
        GET "/v2/tokens/:token/usage" getTokenUsage "read_audit" "What a token used, to the minute" () -> 200 Usage;
        GET "/v2/users/:user/usage" getUserUsage "read_audit" "What a user's tokens used, to the minute" () -> 200 Usage;
        GET "/v2/usage" getUsage "read_audit" "What the project used, by minutes (of a day) or hours (of seven days)" ("from", "to", "step") -> 200 UsageSeries;
        GET "/v2/alerts" listAlerts "read_audit" "Alerts that hold, and the latest that are over" () -> 200 AlertPage;
    }
    "Webhooks" {
        GET "/v2/webhooks" listWebhooks "manage_keys" "Webhook endpoints, never their secrets" ("limit", "cursor") -> 200 WebhookPage;
        POST "/v2/webhooks" createWebhook "manage_keys" "Register an endpoint; its secret is in this answer alone" () NewWebhook -> 201 Webhook;
        GET "/v2/webhooks/:webhook" getWebhook "manage_keys" "One endpoint" () -> 200 Webhook;
        PATCH "/v2/webhooks/:webhook" changeWebhook "manage_keys" "Change an endpoint's address or events, disable or enable it" () WebhookChange -> 200 Webhook;
        DELETE "/v2/webhooks/:webhook" deleteWebhook "manage_keys" "Delete an endpoint; what waits for it is not sent any more" () -> 204;
        POST "/v2/webhooks/:webhook/rotate" rotateWebhook "manage_keys" "Draw a new secret; the one before signs, too, until the grace ends" () Grace -> 200 Webhook;
        POST "/v2/webhooks/:webhook/test" testWebhook "manage_keys" "Send the endpoint a message of the event webhook.test" () -> 202 Delivery;
        GET "/v2/webhooks/:webhook/deliveries" listDeliveries "manage_keys" "Messages to the endpoint that wait, were delivered or given up, oldest first" ("limit", "cursor", "status") -> 200 DeliveryPage;
        POST "/v2/webhooks/:webhook/deliveries/:delivery/replay" replayDelivery "manage_keys" "Send a message again, under its id" () -> 202 Delivery;
    }
    "Audit" {
        GET "/v2/audit" listAudit "read_audit" "Entries, the latest first; a page may be short and yet have a next one" ("limit", "cursor", "order", "subject", "actor", "action", "outcome", "since", "until") -> 200 AuditPage;
        GET "/v2/audit/export" exportAudit "read_audit" "Up to 1,000 entries as JSON lines, the oldest first" ("after", "subject", "actor", "action", "outcome", "since", "until") -> 200 Lines;
        GET "/v2/audit/verify" verifyAudit "read_audit" "Prove that no entry was changed, dropped, moved or added" () -> 200 AuditProof;
    }
}
