"""The words that names of credentials are made of, and what tells written words from noise."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PASSWORD_WORDS = _words(
    """
    password passwd passphrase passcode passwort pwd psw pswd pass pw userpass userpwd sshpass
    """
)
SECRET_WORDS = _words(
    """
    secret secrets token tokens credential credentials cred creds bearer jwt apikey apitoken
    apisecret accesskey secretkey privatekey authtoken authkey accesstoken refreshtoken clientsecret
    appsecret authorization passkey psk otpauth xoauth
    """
)
WEAK_WORDS = _words(
    """
    key auth cookie session sessionid sid sig signature salt license dsn seed mnemonic pin otp webhook
    keyid api sas code hmac pat
    """
)
#: What makes a secret out of a mere key when it stands before it.
KEY_OWNERS = _words(
    """
    api access auth private account signing encryption encrypt master client service app application
    storage shared secret subscription admin deploy webhook consumer security license ssh gpg pgp hmac
    aes rsa jwt session cookie customer ingest ingestion integration publishable restricted personal
    write read server project org organization team root sudo host registration transport push dev prod
    production staging live sdk rest legacy global ca bot
    """
)
#: A name that ends in one of these tells about a credential and holds none.
ABOUT = _words(
    """
    id ids count counts length len size limit max min type types kind name names path paths file files
    filename dir folder url uri urls uris endpoint host hostname port field fields label labels
    placeholder expires expiry expiration expired ttl budget usage used index offset position cache
    format pattern regex policy rule rules schema version status error errors message messages hint
    reset strength prompt input output env var variable variables header headers algorithm alg class
    style template provider mode required enabled disabled valid invalid present exists missing date
    time timestamp at in ms seconds minutes hours age prefix suffix source scope scopes role roles user
    username email owner title description help docs text node nodes list map set array rate cost price
    window stats metrics manager store storage handler service client factory validator generator parser
    lexer ring chain board press up down event events code codes func function method callback test
    tests spec module package import imports config settings options option params args arg ref refs
    link links button form page view screen column columns table bytes bits chars encoding digest sha
    sha1 sha256 sha512 md5 checksum hash hashes fingerprint alias aliases state states stream streams
    stop start begin end mask masked redacted changed updated created rotation sort order number num
    total sum delta per details info data value values pair pairs item items
    """
)
#: Wherever one of these stands in a name, its value is public by design.
PUBLIC = _words(
    """
    public pub pubkey publickey sha sha1 sha256 sha512 md5 checksum digest commit integrity fingerprint
    primary foreign partition idempotency cache etag revision csrf xsrf csrftoken csrfmiddlewaretoken
    xsrftoken nonce pagination cursor page next prev continuation tokenizer tokenize keyboard keyword
    keywords uuid guid websocket charset alphabet
    monkey donkey turkey hockey jockey author authors authored passed passing bypass
    compass passes passage keystroke keyframe keyframes assign assignee assigned design designer signal
    signals siglip sort sorting subkey submodule lockfile hotkey hotkeys shortcut keybinding keybindings
    keycode keydown keyup keypress path pathname paths basepath filepath dirpath pathlib pattern
    patterns compat patch patches dispatch prompt completion max input output cached reasoning bos eos
    pad unk mask cls sep special
    """
)
VENDORS = _words(
    """
    abuseipdb adafruit adobe adzuna aiven algolia alibaba aliyun amplitude apollo asana assemblyai auth0
    beamer bitbucket bitly bitrise bittrex browserstack cargo clearbit cloudflare cloudinary codeclimate
    codecov cohere coinbase confluent contentful coveralls datadog databento deepgram deepseek
    digitalocean discord disqus dockerhub droneci dropbox ebay elevenlabs etsy exoscale facebook fastly
    figma finicity finnhub flickr flutterwave freshbooks freshdesk gcore gemini giphy gitter gocardless
    grafana heroku hetzner honeybadger hubspot infracost instagram intercom ipinfo jira jfrog kraken
    kucoin launchdarkly linkedin linode livekit lokalise looker mailchimp mailgun mailjet mandrill
    mapbox mapquest mattermost maxmind messagebird microsoft mistral mixpanel moonshot netlify newrelic
    ngrok npmjs nytimes okta onelogin openweather opsgenie optimizely pagerduty paypal paystack pendo
    percy pinecone pingdom plaid planetscale plivo postmark prefect pushbullet pusher rapidapi razorpay
    readme replicate rollbar salesforce scaleway segment sendbird sendgrid sentry shodan shopify slack
    snyk sonarcloud sonarqube splunk spotify squarespace stability storyblok stripe sumologic supabase
    tableau telegram telnyx tiingo trello travis twilio twitch twitter typeform unsplash uptimerobot
    vercel virustotal voyage vultr wandb weatherstack weglot woocommerce workos yandex yelp zapier
    zendesk zoho zoom
    """
)
#: The pairs of letters that most words of English and of programs consist of.
BIGRAMS = _words(
    """
    ab ac ad ag al am an ap ar as at au av ba be bi bl bo br ca ce ch ci ck cl co cr ct cu da de di do
    du ea ec ed ee ef el em en ep er es et ex fa fe fi fo ga ge gh gi gr ha he hi ho ia ic id ie if ig
    il im in io ip ir is it iv iz ke la ld le li ll lo ls lu ly ma me mi mo mp na nc nd ne ng ni no ns
    nt oa oc od og ol om on oo op or os ot ou ov ow pa pe pi pl po pr pt qu ra rc rd re ri rm rn ro rs
    rt ru ry sa sc se sh si so sp ss st su ta te th ti to tr ts tt tu ty ub ul um un up ur us ut ve vi
    wa we wo ey ay ks wi ew ak
    """
)
