//! Credentials, TLS, proxies and redirects of outgoing requests.

use crate::server::Server;
use lapwing_collect::http::{
    BasicAuth, FetchError, Fetched, HttpClient, HttpConfig, OAuth2, Request, Secret, TlsConfig, TlsVersion,
};
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;

async fn get(client: &HttpClient, url: &str, now_ms: i64) -> Result<Fetched, FetchError> {
    let request = Request {
        url,
        headers: &[],
        timeout_ms: 5000,
        body_bytes_max: 1 << 20,
        now_ms,
    };
    client.get(&request).await
}

fn client(change: impl FnOnce(&mut HttpConfig)) -> HttpClient {
    let mut config = HttpConfig::default();
    change(&mut config);
    HttpClient::new(&config).unwrap()
}

fn heard(by: &Arc<Mutex<String>>) -> String {
    by.lock().unwrap().to_lowercase()
}

#[tokio::test]
async fn tls_trusts_whom_it_is_told_to() {
    let port = Server::default().start_tls().await;
    let url = format!("https://localhost:{port}/");
    let authority = include_str!("../data/tls/ca.pem").to_owned();
    let trusting = client(|c| {
        c.tls_config = TlsConfig {
            ca: Some(authority.clone()),
            ..TlsConfig::default()
        }
    });
    assert_eq!(get(&trusting, &url, 0).await.unwrap().body, b"a 1\n");
    let strangers = get(&client(|_| ()), &url, 0).await.unwrap_err();
    assert_eq!(strangers.reason(), "tls", "{strangers}");
    let careless = client(|c| c.tls_config.insecure_skip_verify = true);
    assert!(get(&careless, &url, 0).await.is_ok());
    // A server without TLS answers the handshake with a complaint in plain text.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = get(&trusting, &format!("https://{plain}/"), 0).await.unwrap_err();
    assert_eq!(error.reason(), "tls", "{error}");
}

#[tokio::test]
async fn a_server_may_be_known_by_another_name_than_its_address() {
    let port = Server::default().start_tls_on("127.0.0.2").await;
    let under = |name: Option<&str>| {
        client(|c| {
            c.tls_config = TlsConfig {
                ca: Some(include_str!("../data/tls/ca.pem").to_owned()),
                server_name: name.map(str::to_owned),
                ..TlsConfig::default()
            }
        })
    };
    // The certificate holds `localhost` and 127.0.0.1, but not this other address of the same machine.
    let url = format!("https://127.0.0.2:{port}/");
    let by_address = get(&under(None), &url, 0).await.unwrap_err();
    assert_eq!(by_address.reason(), "tls", "{by_address}");
    for name in ["localhost", "127.0.0.1"] {
        assert_eq!(get(&under(Some(name)), &url, 0).await.unwrap().body, b"a 1\n");
    }
    // And the other way round: the address fits, the name that was asked for does not.
    let url = format!("https://localhost:{}/", Server::default().start_tls().await);
    let other = get(&under(Some("other.example")), &url, 0).await.unwrap_err();
    assert_eq!(other.reason(), "tls", "{other}");
    assert!(other.to_string().contains("other.example"), "{other}");
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_where_it_is_named() {
    let (cert, key) = (
        include_str!("../data/tls/own.pem"),
        include_str!("../data/tls/own.key"),
    );
    let port = Server::default().start_tls_as("127.0.0.1", cert, key).await;
    let url = format!("https://localhost:{port}/");
    let naming = |ca: &str| client(|c| c.tls_config.ca = Some(ca.to_owned()));
    assert_eq!(get(&naming(cert), &url, 0).await.unwrap().body, b"a 1\n");
    let another = naming(include_str!("../data/tls/ca.pem"));
    let error = get(&another, &url, 0).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "TLS failed: the certificate is one of an authority and not itself named in ca_file"
    );
}

#[tokio::test]
async fn basic_credentials_come_from_files() {
    let server = Server::default();
    let by = server.heard.clone();
    let address = server.start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "pass\n").unwrap();
    let file = folder.path().join("password");
    let client = client(|c| {
        c.basic_auth = Some(BasicAuth {
            username: "user".to_owned(),
            password_file: Some(file.clone()),
            ..BasicAuth::default()
        });
    });
    let url = format!("http://{address}/");
    get(&client, &url, 0).await.unwrap();
    assert!(by.lock().unwrap().contains("Basic dXNlcjpwYXNz"), "user:pass");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(get(&client, &url, 0).await.unwrap_err().reason(), "credentials");
}

#[tokio::test]
async fn oauth2_tokens_are_kept_until_they_expire() {
    let token = |t: &str| json!({"access_token": t, "token_type": "bearer", "expires_in": 100}).to_string();
    let tokens = Server::with_routes(&[("/token", token("one")), ("/token", token("two"))]);
    let asked = tokens.heard.clone();
    let tokens = tokens.start().await;
    let server = Server::default();
    let by = server.heard.clone();
    let url = format!("http://{}/", server.start().await);
    let client = client(|c| {
        c.oauth2 = Some(OAuth2 {
            client_id: "id".to_owned(),
            client_secret: Some(Secret::Inline("secret".to_owned())),
            token_url: format!("http://{tokens}/token"),
            scopes: vec!["read".to_owned()],
            ..OAuth2::default()
        });
    });
    get(&client, &url, 0).await.unwrap();
    assert!(heard(&by).contains("authorization: bearer one"));
    assert!(heard(&asked).starts_with("post /token"));
    get(&client, &url, 80_000).await.unwrap();
    assert!(heard(&by).contains("bearer one"), "still good");
    get(&client, &url, 95_000).await.unwrap();
    assert!(heard(&by).contains("bearer two"), "renewed before its end");
}

#[tokio::test]
async fn proxies_and_redirects() {
    let proxy = Server::default();
    let by = proxy.heard.clone();
    let proxy = proxy.start().await;
    let through = client(|c| c.proxy_url = Some(format!("http://{proxy}")));
    get(&through, "http://inner.example:9100/metrics", 0)
        .await
        .unwrap();
    assert!(heard(&by).starts_with("get http://inner.example:9100/metrics"));
    let moved = Server {
        redirect_to_self: true,
        ..Server::default()
    };
    let url = format!("http://{}/", moved.start().await);
    let staying = client(|c| c.follow_redirects = false);
    assert_eq!(
        get(&staying, &url, 0).await.unwrap_err(),
        FetchError::Status { code: 302 }
    );
}

#[test]
fn contradictions_are_refused() {
    let refused = |change: fn(&mut HttpConfig)| {
        let mut config = HttpConfig::default();
        change(&mut config);
        HttpClient::new(&config).err().unwrap().to_string()
    };
    let two = refused(|c| {
        c.basic_auth = Some(BasicAuth::default());
        c.bearer_token = Some(Secret::Inline("x".to_owned()));
    });
    assert!(two.starts_with("at most one of"), "{two}");
    let half = refused(|c| c.tls_config.cert = Some("x".to_owned()));
    assert_eq!(half, "a client certificate needs both cert and key");
    let missing = refused(|c| c.tls_config.ca_file = Some("/no/such".into()));
    assert_eq!(missing, "ca_file cannot be read");
    let empty = refused(|c| c.tls_config.ca = Some("no certificate".to_owned()));
    assert_eq!(empty, "ca holds no certificate");
    let name = refused(|c| c.tls_config.server_name = Some("a b".to_owned()));
    assert_eq!(name, "server_name is not valid");
    let versions = refused(|c| {
        c.tls_config.min_version = Some(TlsVersion::TLS13);
        c.tls_config.max_version = Some(TlsVersion::TLS12);
    });
    assert_eq!(versions, "min_version is above max_version");
    let old = refused(|c| c.tls_config.max_version = Some(TlsVersion::TLS11));
    assert_eq!(
        old,
        "max_version is below TLS12, the oldest version that is spoken"
    );
    let passwords = refused(|c| {
        c.basic_auth = Some(BasicAuth {
            password: Some(Secret::Inline("x".to_owned())),
            password_file: Some("y".into()),
            ..BasicAuth::default()
        });
    });
    assert_eq!(
        passwords,
        "at most one of basic_auth.password and password_file can be used: leave one out"
    );
    let proxies = refused(|c| (c.proxy_url, c.proxy_from_environment) = (Some("http://p".to_owned()), true));
    assert_eq!(
        proxies,
        "at most one of proxy_url and proxy_from_environment can be used: leave one out"
    );
    let aimless = refused(|c| c.no_proxy = Some("x".to_owned()));
    assert_eq!(
        aimless,
        "no_proxy has no effect without proxy_url: give one, or leave it out"
    );
    let header = refused(|c| c.http_headers = [("Host".to_owned(), Default::default())].into());
    assert_eq!(header, "http_headers cannot set Host: the request decides it");
    let minimum = |c: &mut HttpConfig| c.tls_config.min_version = Some(TlsVersion::TLS10);
    client(minimum);
    let oauth2 = refused(|c| c.oauth2 = Some(OAuth2::default()));
    assert_eq!(oauth2, "oauth2 needs client_id and token_url");
}
