"""Credentials that say by their shape whose they are: a head that a vendor chose, and a random body.

Written from what vendors document of their tokens. A rule costs next to nothing: all heads are looked for at
once, and only what follows a head is looked at more closely.
"""

from dataclasses import dataclass

A = "[A-Za-z0-9]"
B = "[A-Za-z0-9+/]"
D = "[0-9]"
H = "[a-f0-9]"
L = "[a-z0-9]"
U = "[A-Z0-9]"
W = "[A-Za-z0-9_-]"
X = "[A-Fa-f0-9]"
DOTS = "[A-Za-z0-9._-]"
PADDED = "[A-Za-z0-9_=-]"

_LONGEST = 16_384
#: How much of a body must stand behind a head before anything looks at it.
_TRIGGER_BODY = 12


@dataclass(frozen=True, slots=True)
class Rule:
    """`head` is a regular expression of one width, then `low` to `high` characters of `body`, then `tail`.

    `high` 0 means any number, left out it means `low`. `before` characters of `body` stand before the head;
    `guard` is looked at (a lookbehind, say) but no part of the credential.
    """

    name: str
    head: str
    body: str
    low: int
    high: int = -1
    tail: str = ""
    before: int = 0
    guard: str = ""

    @property
    def trigger(self) -> str:
        """The head with the first characters of the body, so that few texts without a credential have it."""
        return f"{self.head}{self.body}{{{min(self.low, _TRIGGER_BODY)}}}" if self.low else self.head

    @property
    def pattern(self) -> str:
        """The whole credential, to be matched at its start."""
        high = self.low if self.high < 0 else self.high or _LONGEST
        before = f"{self.body}{{{self.before}}}" if self.before else ""
        end = "" if self.tail or not self.body or not self.high else f"(?!{self.body})"
        body = f"{self.body}{{{self.low},{high}}}" if self.body else ""
        return f"{self.guard}{before}{self.head}{body}{self.tail}{end}"


_UUID_TAIL = f"-{X}{{4}}-{X}{{4}}-{X}{{4}}-{X}{{12}}"

R = Rule
_OURS = (R("sessions-token", "sess_", A, 42),)
_CODE = (
    R("github-pat", "ghp_", A, 36, 255),
    R("github-oauth", "gho_", A, 36, 255),
    R("github-app-token", "gh[us]_", A, 36, 255),
    R("github-refresh-token", "ghr_", A, 36, 255),
    R("github-fine-grained-pat", "github_pat_", "[A-Za-z0-9_]", 50, 255),
    R("gitlab-pat", "glpat-", DOTS, 20, 300),
    R("gitlab-oauth-secret", "gloas-", W, 64),
    R("gitlab-deploy-token", "gldt-", W, 20, 64),
    R("gitlab-runner-token", "glrt-", DOTS, 20, 300),
    R("gitlab-trigger-token", "glptt-", W, 20, 64),
    R("gitlab-feed-token", "glft-", W, 20, 64),
    R("gitlab-mail-token", "glimt-", W, 20, 64),
    R("gitlab-agent-token", "glagent-", W, 50, 100),
    R("gitlab-scim-token", "glsoat-", W, 20, 64),
    R("gitlab-job-token", "glcbt-", W, 20, 300),
    R("gitlab-feature-flag-token", "glffct-", W, 20, 64),
    R("gitlab-registration-token", "GR1348941", W, 20, 64),
    R("bitbucket-token", "ATBB", A, 24, 64),
    R("bitbucket-server-token", "BBDC-", "[A-Za-z0-9+/=]", 32, 60),
    R("atlassian-token", "AT(?:AT|CT|ST)", PADDED, 100, 400),
    R("npm-token", "npm_", A, 36),
    R("pypi-token", "pypi-AgE", W, 50, 1000),
    R("rubygems-token", "rubygems_", H, 48),
    R("crates-token", "cio", A, 32),
    R("nuget-key", "oy2", L, 43),
    R("clojars-token", "CLOJARS_", L, 60),
    R("packagist-token", "packagist_(?:ort|out|uut|acs|ack)_", H, 28, 120),
    R("jfrog-api-key", "AKCp", A, 60, 80),
    R("jfrog-reference-token", "cmVmd", A, 59, 64),
    R("circleci-token", "CCIP(?:AT|RJ)_", A, 20, 24, f"_{L}{{40}}"),
    R("buildkite-token", "bk(?:ua|aj|ar|aa|ct|pt|ps)_", W, 40, 340),
    R("sonar-token", "sq[upa]_", H, 40),
    R("sourcegraph-token", "sgp_", "[A-Za-z0-9_]", 40, 100),
    R("docker-token", "dckr_[po]at_", W, 27, 40),
    R("docker-swarm-token", "SWMTKN-1-", L, 40, 64, f"-{L}{{20,32}}"),
    R("docker-swarm-key", "SWMKEY-1-", B, 40, 60),
    R("pulumi-token", "pul-", H, 40),
    R("terraform-token", "\\.atlasv1\\.", W, 60, 80, before=14),
    R("spacelift-token", "spcl_", A, 32, 80),
    R("doppler-token", "dp\\.(?:pt|st|ct|sa)\\.", DOTS, 40, 90),
    R("doppler-scim-token", "dp\\.(?:scim|audit)\\.", DOTS, 40, 90),
    R("infisical-token", f"st\\.{H}{{24}}\\.", A, 32, 100, "(?:\\.[A-Za-z0-9]{16,64})?"),
    R("vault-token", "hv[sbr]\\.", W, 24, 400),
    R("vault-legacy-token", "s\\.", A, 24, guard=r"(?<![_.)\]-])"),
    R("1password-token", "ops_eyJ", "[A-Za-z0-9+/=_-]", 100, 0),
    R("1password-secret-key", "A3-", U, 6, 6, f"(?:-{U}{{6}}-{U}{{5}}|-{U}{{11}})(?:-{U}{{5}}){{3}}"),
    R("age-secret-key", "AGE-SECRET-KEY-1", U, 58),
    R("launchdarkly-key", f"(?:sdk|api|mob)-{X}{{8}}", "", 0, 0, _UUID_TAIL),
    R("thunderstore-token", "tss_", W, 24, 80),
    R("valtown-token", "vtwn_", W, 24, 80),
    R("waka-key", "waka_", A, 36, 64),
    R("postman-key", "PMAK-", X, 24, 24, f"-{X}{{34}}"),
    R("postman-collection-token", "PMAT-", A, 26),
    R("readme-key", "rdme_", L, 70),
    R("harness-token", "[ps]at\\.", W, 22, 22, f"\\.{X}{{24}}\\.{A}{{20}}"),
    R("adobe-secret", "p8e-", A, 32),
    R("configcat-key", "configcat-sdk-1/", W, 22, 22, f"/{W}{{22}}"),
    R("deno-token", "dd[op]_", A, 36),
    R("infracost-key", "ico-", A, 32),
    R("ionic-token", "ion_", A, 42),
    R("lichess-token", "lip_", "[A-Za-z0-9_]", 20, 60),
    R("mergify-key", "mergify_application_key_", W, 40, 60),
    R("gitlab-session", "_gitlab_session=", L, 32, 64),
    R("octopus-key", "API-", U, 26, 32),
    R("prefect-key", "pn[ub]_", A, 36),
)
_CLOUDS = (
    R("aws-access-key-id", "(?:AKIA|ASIA|ABIA|ACCA)", U, 16),
    R("aws-bedrock-key", "ABSK", B, 80, 280, "={0,2}"),
    R("aws-bedrock-short-key", "bedrock-api-key-", "[A-Za-z0-9+/_-]", 30, 0, "={0,2}"),
    R("aws-mws-token", f"amzn\\.mws\\.{X}{{8}}", "", 0, 0, _UUID_TAIL),
    R("aws-session-token", "(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz)", "[A-Za-z0-9+/%_-]", 60, 0, "={0,2}"),
    R("gcp-api-key", "AIza", W, 35),
    R("gcp-oauth-secret", "GOCSPX-", W, 28),
    R("gcp-oauth-token", "ya29\\.", DOTS, 20, 0),
    R("gcp-refresh-token", "1//0", W, 40, 200),
    R("gcp-hmac-key", "GOOG1", U, 20, 64),
    R("firebase-server-key", f"AAAA{W}{{7}}:APA91", W, 100, 200),
    R("azure-client-secret", "[0-9]Q~", "[A-Za-z0-9_~.-]", 31, 34, before=3),
    R("azure-devops-token", "AZDO", A, 4, before=76),
    R("azure-storage-key", "\\+ASt", B, 4, 8, "={0,2}", before=64),
    R("azure-cosmos-key", "ACDb", B, 4, 8, "={0,2}", before=64),
    R("azure-function-key", "AzFu", PADDED, 4, 8, before=40),
    R("azure-cognitive-key", "JQQJ99", A, 20, 32, before=52),
    R("alibaba-access-key-id", "LTAI", A, 17, 26),
    R("tencent-secret-id", "AKID", A, 32, 48),
    R("digitalocean-token", "do[opr]_v1_", H, 64),
    R("heroku-key", "HRKU-", W, 36, 80),
    R("fly-token", "fo1_", W, 40, 60),
    R("fly-macaroon", "fm[12][arp]?_", "[A-Za-z0-9+/=_-]", 60, 0),
    R("fly-access-token", "FlyV1 ", "[A-Za-z0-9+/=_,]", 60, 0),
    R("exoscale-key", "EXO", A, 24, 30),
    R("gemini-key", "AQ\\.Ab8", W, 40, 80),
    R("mongodb-atlas-secret", "mdb_sa_sk_", W, 36, 60),
    R("render-key", "rnd_", A, 28, 40),
    R("vercel-token", "vc[apcirk]_", W, 24, 80),
    R("vercel-blob-token", "vercel_blob_rw_", "[A-Za-z0-9_]", 30, 80),
    R("netlify-token", "nf[pcobu]_", A, 36, 60),
    R("supabase-token", "sbp_", "[a-z0-9_]", 40, 50),
    R("supabase-secret-key", "sb_secret_", W, 22, 60),
    R("planetscale-token", "pscale_(?:tkn|otk|pwd)_", DOTS, 32, 64),
    R("planetscale-password", "pscale_pw_", DOTS, 32, 64),
    R("planetscale-oauth-token", "pscale_oauth_", DOTS, 32, 64),
    R("neon-key", "napi_", A, 40, 80),
    R("turso-token", "turso_", W, 40, 400),
    R("scaleway-key-id", "SCW", U, 17),
    R("cloudflare-token", "cf(?:ut|at|k)_", A, 40, 60),
    R("cloudflare-ca-key", f"v1\\.0-{H}{{24}}-", H, 146),
    R("tailscale-key", "tskey-", W, 20, 120),
    R("databricks-token", "dapi", H, 32, 32, "(?:-[0-9])?(?![a-f0-9])"),
    R("datastax-token", "AstraCS:", A, 20, 40, f"(?::{H}{{60,70}})?"),
    R("cockroach-key", "CCDB1_", A, 20, 24, f"_{A}{{40}}"),
    R("elastic-cloud-key", "essu_", W, 60, 200, "={0,2}"),
    R("clickhouse-key", "4b1d", A, 38),
    R("upcloud-token", "ucat_", A, 24, 32),
    R("openshift-token", "sha256~", W, 43),
    R("cloudsmith-key", "csa_", A, 36),
    R("ngrok-key", "(?:ak|cr)_2", A, 26, guard=r"(?<!_)"),
    R("confluent-secret", "cflt", B, 60),
)
_MODELS = (
    R("openai-key", "sk-(?:proj|svcacct|admin|None)-", W, 32, 300),
    R("openai-legacy-key", "sk-", A, 20, 20, f"T3BlbkFJ{A}{{20}}"),
    R("anthropic-key", "sk-ant-", W, 24, 200),
    R("openrouter-key", "sk-or-v[0-9]-", W, 24, 80),
    R("langfuse-key", f"sk-lf-{X}{{8}}", "", 0, 0, _UUID_TAIL),
    R("secret-key", "sk-", A, 32, 64),
    R("huggingface-token", "hf_", A, 34, 40),
    R("huggingface-org-token", "api_org_", A, 34, 40),
    R("groq-key", "gsk_", A, 48, 64),
    R("replicate-token", "r8_", W, 37, 40),
    R("perplexity-key", "pplx-", A, 32, 64),
    R("xai-key", "xai-", W, 60, 120),
    R("cerebras-key", "csk-", L, 40, 64),
    R("fireworks-key", "fw_", A, 22, 40),
    R("together-key", "tgp_v1_", W, 43),
    R("nvidia-key", "nvapi-", W, 60, 80),
    R("langsmith-key", "lsv2_(?:pt|sk)_", X, 32, 32, "_[A-Fa-f0-9]{10}"),
    R("langsmith-old-key", "ls__", H, 32),
    R("pinecone-key", "pcsk_", "[A-Za-z0-9_]", 40, 100),
    R("voyage-key", "pa-", W, 43, guard=r"(?<![_-])"),
    R("jina-key", "jina_", A, 50, 70),
    R("tavily-key", "tvly-", W, 24, 64),
    R("brave-key", "BSA", W, 24, 40, guard="(?<![/+])"),
    R("exa-key", "fc-", H, 32),
    R("llamacloud-key", "llx-", A, 40, 60),
    R("wandb-key", "wandb_v1_", "[A-Za-z0-9_]", 70, 90),
    R("elevenlabs-key", "sk_", H, 48),
    R("cursor-key", "key_", H, 64),
    R("runpod-key", "rpa_", A, 30, 50),
    R("modal-token", "a[ks]-", A, 22),
    R("e2b-key", "e2b_", H, 40),
    R("browserbase-key", "bb_live_", W, 20, 60),
    R("apify-token", "apify_api_", A, 30, 50),
    R("cartesia-key", "sk_car_", A, 20, 40),
    R("helicone-key", "sk-helicone-", W, 20, 80),
    R("portkey-key", "pk-portkey-", W, 20, 80),
    R("deepl-key", f"{X}{{8}}{_UUID_TAIL}:fx", "", 0, 0, ""),
)
_SERVICES = (
    R("slack-token", "xox[abposr]-", W, 12, 250),
    R("slack-cookie", "xox[cd]-", "[A-Za-z0-9%/+=_-]", 30, 400),
    R("slack-config-token", "xoxe", "[.A-Za-z0-9-]", 60, 400),
    R("slack-app-token", "xapp-", W, 14, 200),
    R("slack-webhook", "hooks\\.slack\\.com/", "[A-Za-z0-9/]", 40, 80),
    R("discord-webhook", "/api/webhooks/", D, 17, 20, f"/{W}{{60,80}}"),
    R("discord-token", f"\\.{W}{{6}}\\.", W, 27, 40, before=24, guard="(?=[MNO])"),
    R("discord-long-token", f"\\.{W}{{6}}\\.", W, 27, 40, before=26, guard="(?=[MNO])"),
    R("teams-webhook", "\\.webhook\\.office\\.com/", "[A-Za-z0-9@/-]", 60, 300),
    R("telegram-token", f"{D}{{8,10}}:AA", W, 32, 33),
    R("twilio-key", "SK", X, 32),
    R("sendgrid-key", "SG\\.", DOTS, 60, 72),
    R("mailgun-key", "key-", L, 32),
    R("mailgun-signing-key", f"{H}{{32}}-{H}{{8}}-", H, 8),
    R("mailchimp-key", f"{H}{{32}}-us", D, 1, 2),
    R("brevo-key", "xkeysib-", X, 64, 64, "-[A-Za-z0-9]{16}"),
    R("brevo-smtp-key", "xsmtpsib-", H, 64, 64, "-[A-Za-z0-9]{16}"),
    R("mailersend-key", "mlsn\\.", A, 40, 64),
    R("resend-key", "re_", A, 8, 8, "_[A-Za-z0-9]{24}"),
    R("stripe-key", "[sr]k_(?:live|test|prod)_", A, 10, 250),
    R("stripe-webhook-secret", "whsec_", "[A-Za-z0-9+/=]", 24, 100),
    R("clerk-secret", "sk_(?:live|test)_", A, 40, 60),
    R("square-token", "sq0(?:atp|csp|idp)-", W, 22, 60),
    R("square-access-token", "EAAA", W, 28, 80),
    R("facebook-token", "EAA[A-Z]", A, 80, 0),
    R("paypal-token", "access_token\\$(?:production|sandbox)\\$", L, 16, 16, f"\\${H}{{32}}"),
    R("razorpay-key", "rzp_(?:live|test)_", A, 14, 24),
    R("paystack-key", "sk_(?:live|test)_", H, 40),
    R("flutterwave-key", "FLWSECK(?:_TEST)?-", A, 12, 40, "(?:-X)?"),
    R("adyen-key", "AQE[a-z]", B, 80, 300, "[A-Za-z0-9+/=.<>;:-]*"),
    R("plaid-token", f"access-(?:sandbox|development|production)-{X}{{8}}", "", 0, 0, _UUID_TAIL),
    R("shopify-token", "shp(?:at|ca|pa|ss|ua)_", X, 32),
    R("facebook-app-token", f"{D}{{15}}\\|", W, 27, 40),
    R("maxmind-key", "_mmk", "[A-Za-z0-9_]", 0, 0, before=36),
    R("mercury-token", "mercury_production_", "[A-Za-z0-9_]", 40, 120),
    R("miro-token", "eyJtaXJv", W, 30, 200),
    R("nylas-key", "nyk_", A, 40, 80),
    R("onfido-token", "api_(?:live|sandbox)(?:_ca|_eu|_us)?\\.", DOTS, 30, 80),
    R("persona-key", "persona_(?:production|sandbox)_", L, 20, 60),
    R("pinterest-token", "pina_", W, 40, 120),
    R("polar-token", "polar_(?:at|oat|pat|rt)_", "[A-Za-z0-9_]", 28, 60),
    R("proof-key", "prf_", A, 40, 60),
    R("shippo-token", "shippo_(?:live|test)_", H, 40),
    R("easypost-key", "EZ[AT]K", A, 54),
    R("duffel-token", "duffel_(?:live|test)_", PADDED, 43, 50),
    R("linear-key", "lin_(?:api|wh)_", A, 32, 64),
    R("linear-oauth-token", "lin_oauth_", H, 64),
    R("notion-token", "ntn_", A, 40, 60),
    R("notion-old-token", "secret_", A, 43),
    R("figma-token", "fig(?:d|u|or|our)_", W, 36, 64),
    R("airtable-token", "pat", A, 14, 14, f"\\.{H}{{64}}"),
    R("asana-token", "[012]/[0-9]{16}", "[0-9/]", 0, 40, f":{H}{{32}}"),
    R("clickup-token", "pk_[0-9]{7,9}_", U, 32),
    R("dropbox-token", "sl\\.", W, 100, 0),
    R("typeform-token", "tfp_", "[A-Za-z0-9_.=-]", 40, 70),
    R("hubspot-token", f"pat-(?:na|eu)[12]-{X}{{8}}", "", 0, 0, _UUID_TAIL),
    R("intercom-token", "dG9r", A, 56, 60, "={0,2}"),
    R("contentful-token", "CFPAT-", W, 43),
    R("prismic-token", "MC5", A, 30, 0, f"\\.{W}{{30,}}"),
    R("storyblok-token", "sb-oauth-", W, 30, 60),
    R("mapbox-token", "[sp]k\\.eyJ", W, 40, 0, f"\\.{W}{{20,40}}"),
    R("maptiler-token", "tk-us-", W, 48),
    R("auth-ssws", "SSWS 00", W, 38, 44),
    R("workos-key", "sk_(?:test|live|prod)_", "[A-Za-z0-9_=]", 40, 120),
    R("descope-key", "P2", A, 25, 27, f":K2{A}{{25,27}}"),
    R("unkey-key", "unkey_", A, 20, 40),
    R("svix-secret", "testsk_", DOTS, 20, 60),
    R("zapier-webhook", "hooks\\.zapier\\.com/hooks/catch/", "[0-9a-z/]", 12, 40),
    R("ifttt-webhook", "maker\\.ifttt\\.com/trigger/", W, 1, 60, f"/with/key/{W}{{20,60}}"),
    R("workato-token", "wrka", "[a-z]", 0, 2, f"-eyJ{W}+\\.{W}+\\.{W}+"),
    R("frameio-token", "fio-u-", PADDED, 60, 70),
    R("salesforce-token", "00", A, 13, 16, "![A-Za-z0-9._-]{60,260}"),
    R("zoho-token", f"100[0-3]\\.{H}{{32}}\\.", H, 32),
    R("jwt-encoded", "ZXlK", A, 60, 0),
    R("monday-webhook", "eyJhbGciOiJIUzI1NiJ9\\.eyJ0aWQi", DOTS, 30, 0),
    R("samsara-token", "samsara_api_", A, 24, 40),
    R("rootly-key", "rootly_", H, 64),
    R("settlemint-token", "sm_(?:aat|pat|sat)_", A, 16),
    R("ramp-secret", "ramp_sec_", A, 48),
    R("xendit-key", "xnd_(?:production|development)_", A, 40, 80),
    R("onesignal-key", "os_v2_(?:app|org)_", A, 50, 120),
    R("canva-secret", "cnvca", W, 51),
    R("zuplo-key", "zpka_", "[a-z0-9_]", 40, 50),
    R("devcycle-key", "dvc_(?:server|client|mobile)_", "[A-Za-z0-9_]", 8, 64),
    R("dev-notify-key", "gcntfy-", W, 60, 120),
    R("aikido-token", "AIK_(?:CI|SECRET)_", A, 20, 64),
    R("asaas-token", "\\$aact_(?:prod|hmlg)_", W, 20, 200),
    R("devin-key", "(?:apk|cog)_", "[A-Za-z0-9_+/=]", 50, 200),
)
_OPERATIONS = (
    R("grafana-token", "glsa_", A, 32, 32, f"_{X}{{8}}"),
    R("grafana-cloud-token", "glc_", "[A-Za-z0-9+/=]", 32, 0),
    R("grafana-key", "eyJrIjoi", B, 40, 400, "={0,2}"),
    R("newrelic-key", "NRAK-", U, 27),
    R("newrelic-license", f"{X}{{36}}NRAL", "", 0, 0, ""),
    R("newrelic-insert-key", "NRI[IQ]-", W, 32),
    R("newrelic-browser-key", "NRJS-", H, 19),
    R("datadog-token", "dd(?:apikey|appkey|at|pat)_", A, 32, 100),
    R("dynatrace-token", "dt0[cs][0-9]{2}\\.", A, 8, 24, f"\\.{A}{{64}}"),
    R("sentry-org-token", "sntrys_", "[A-Za-z0-9+/=_-]", 60, 0),
    R("sentry-user-token", "sntry[uia]_", H, 64),
    R("sentry-dsn", f"https?://{H}{{32}}@", "[A-Za-z0-9.:-]", 3, 80, "/[0-9]+"),
    R("honeycomb-key", "hc[abs][a-z0-9]{2}_", L, 58),
    R("pagerduty-key", "pd[u]\\+", W, 18, 22),
    R("logfire-token", "pylf_v[0-9]_", "[A-Za-z0-9_]", 40, 60),
    R("posthog-key", "ph[xc]_", W, 40, 60),
    R("endor-key", "endr\\+", W, 16, 40),
    R("wakatime-key", f"waka_{X}{{8}}", "", 0, 0, _UUID_TAIL),
    R("lacework-key", "LWINT_", "[A-F0-9_]", 50, 80),
    R("jwt", "eyJ", W, 12, 0, f"\\.eyJ{W}{{4,}}\\.(?:{W}{{8,}})?"),
    R("jwe", "eyJ", W, 12, 0, f"\\.{W}*\\.{W}{{8,}}\\.{W}{{8,}}\\.{W}{{16,}}"),
    R("bcrypt-hash", "\\$2[abxy]\\$[0-9]{2}\\$", "[A-Za-z0-9./]", 53),
    R("crypt-hash", "\\$[156y]\\$", "[A-Za-z0-9./=$,]", 24, 200),
    R("apache-hash", "\\$apr1\\$", "[A-Za-z0-9./$]", 20, 40),
    R("argon2-hash", "\\$argon2[id]", "[A-Za-z0-9+/=$,]", 40, 300),
    R("scram-hash", "SCRAM-SHA-256\\$", "[A-Za-z0-9+/=$:]", 40, 300),
    R("django-hash", "pbkdf2_sha[0-9]{3}\\$", "[A-Za-z0-9+/=$]", 30, 200),
    R("nats-seed", "S[UAOXN]A", "[A-Z2-7]", 55),
    R("stellar-seed", "S[ABCD]", "[A-Z2-7]", 54),
    R("wallet-key", "[xyz]prv", A, 100, 112),
    R("aws-signed-url", "X-Amz-Signature=", H, 64),
    R("gcp-signed-url", "X-Goog-Signature=", X, 64, 0),
)
RULES: tuple[Rule, ...] = (*_OURS, *_CODE, *_CLOUDS, *_MODELS, *_SERVICES, *_OPERATIONS)
