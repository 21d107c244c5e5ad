//! A small web service that is watched by all of the SDK: requests by route, counts of libraries, spans, tracked functions.
//!
//! `cargo run -p lapwing --example watched --features axum,macros,metrics,tracing-layer [http://127.0.0.1:9595]`
//!
//! It answers three requests of its own and prints the page that a Prometheus would scrape; with the address of a server it ships there as well.

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use lapwing::sdk::{HttpLayer, MetricsRecorder, RemoteOptions, TracingLayer, global, watch};
use tracing_subscriber::layer::SubscriberExt;

#[lapwing::track("parse", kind = "inference", model = "adder")]
fn parse(text: &str) -> Result<i64, std::num::ParseIntError> {
    text.parse()
}

async fn answer(Path(number): Path<String>) -> Result<String, axum::http::StatusCode> {
    let span = tracing::info_span!("answer", model = "adder");
    let _inside = span.enter();
    metrics::counter!("numbers.seen").increment(1);
    match parse(&number) {
        Ok(n) => Ok((n + 1).to_string()),
        Err(error) => {
            tracing::error!(%error, "not a number");
            Err(axum::http::StatusCode::BAD_REQUEST)
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Dropped at the end of main: what was not sent by then is sent, within 200 ms.
    let _watching = std::env::args()
        .nth(1)
        .map(|url| watch(RemoteOptions::to(&url, "watched")))
        .transpose()?;
    MetricsRecorder::new(global()).install()?;
    let layer = TracingLayer::new(global()).labels(&["model"]);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;

    let app = Router::new()
        .route("/next/{number}", get(answer))
        .layer(HttpLayer::new(global()).model("adder"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    let asked = tokio::task::spawn_blocking(move || {
        for path in ["next/1", "next/41", "next/one"] {
            match ureq::get(format!("{url}/{path}")).call() {
                Ok(answer) => println!("{path}: {}", answer.status()),
                Err(error) => println!("{path}: {error}"),
            }
        }
    });
    asked.await?;
    serving.abort();
    print!("{}", global().exposition());
    Ok(())
}
