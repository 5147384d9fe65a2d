//! Serves a small shop's stock on a loopback port, asks itself for it, and prints what it got. Uses each crate a bit, so
//! that a wrongly restored one would show: `make demo` and `make bench` check the last line.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::{ensure, Context, Result};
use clap::Parser;
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Request, Response, Server, StatusCode};
use rayon::prelude::*;
use regex::Regex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// Asks a server of its own for its stock.
#[derive(Parser)]
#[command(name = "larder-demo", version)]
struct Options {
    /// How many shelves the shop has.
    #[arg(long, default_value_t = 1000)]
    shelves: u64,

    /// Which goods to count, as a regular expression.
    #[arg(long, default_value = "^jam-[0-9]*7$")]
    pattern: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Item {
    name: String,
    jars: u64,
}

fn stock(shelves: u64) -> Vec<Item> {
    (0..shelves).map(|shelf| Item { name: format!("jam-{shelf}"), jars: shelf % 12 }).collect()
}

async fn answer(request: Request<Body>, shelves: u64) -> Result<Response<Body>, Infallible> {
    tracing::debug!(path = request.uri().path(), "asked");
    let response = match request.uri().path() {
        "/stock" => match serde_json::to_vec(&stock(shelves)) {
            Ok(json) => Response::new(Body::from(json)),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        },
        path => plain(StatusCode::NOT_FOUND, format!("nothing at {path}")),
    };
    Ok(response)
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let options = Options::parse();
    let pattern = Regex::new(&options.pattern).context("--pattern is no regular expression")?;
    let shelves = options.shelves;

    let service =
        make_service_fn(
            move |_| async move { Ok::<_, Infallible>(service_fn(move |request| answer(request, shelves))) },
        );
    let server = Server::try_bind(&SocketAddr::from(([127, 0, 0, 1], 0)))?.serve(service);
    let address = server.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.with_graceful_shutdown(async {
        stopped.await.ok();
    }));

    let client = reqwest::Client::builder().no_proxy().build()?;
    let items: Vec<Item> = client.get(format!("http://{address}/stock")).send().await?.json().await?;
    let missing = client.get(format!("http://{address}/cellar")).send().await?;
    ensure!(missing.status().as_u16() == 404, "the cellar answered {}", missing.status());
    drop(client);
    stop.send(()).ok();
    serving.await??;

    let (kinds, jars) = items
        .par_iter()
        .filter(|item| pattern.is_match(&item.name))
        .map(|item| (1_u64, item.jars))
        .reduce(|| (0, 0), |left, right| (left.0 + right.0, left.1 + right.1));
    println!("{} kinds on the shelves, {kinds} of them asked for, {jars} jars", items.len());
    Ok(())
}
