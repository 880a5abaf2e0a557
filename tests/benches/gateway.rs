//! What the gateway adds to a call, against what nginx adds in front of the same service.

use std::net::TcpListener;
use std::time::Duration;

use datacovey::client::Client;
use tokio::process::{Child, Command};

use crate::get_table::program;
use crate::house::House;
use crate::paging::median;
use crate::{load, say};

const ROUNDS: usize = 20;
const CALLS: usize = 200;

pub(crate) async fn run(house: &House) {
    let Some(nginx) = program("nginx") else {
        println!("  no nginx is installed (apt install nginx)");
        return;
    };
    let (mut nginx, through_nginx) = start(&nginx, house).await;
    let ways = [&house.catalog, &through_nginx, &house.gateway];
    let mut clients = Vec::new();
    for way in ways {
        let client = Client::connect(way, &house.token).await.unwrap();
        for id in house.tables.iter().take(CALLS) {
            load::get(&client, id).await.unwrap();
        }
        clients.push(client);
    }
    // In turns, so that what else the machine does meets each of them.
    let mut latencies = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (client, latencies) in clients.iter().zip(&mut latencies) {
            for id in house.tables.iter().take(CALLS) {
                latencies.push(load::get(client, id).await.unwrap());
            }
        }
    }
    let [direct, nginx_took, gateway_took] = latencies.map(median);
    let micros = |it: Duration| format!("{} µs", it.as_micros());
    let added = |it: Duration| it.saturating_sub(direct);
    say("GetTable directly, 1 connection, median", micros(direct), None);
    say("nginx grpc_pass adds", micros(added(nginx_took)), Some(1.0));
    let ratio = added(gateway_took).as_secs_f64() / added(nginx_took).as_secs_f64();
    say(
        "the gateway adds (identity checked, token exchanged)",
        micros(added(gateway_took)),
        Some(ratio),
    );
    nginx.kill().await.unwrap();
}

async fn start(nginx: &std::path::Path, house: &House) -> (Child, String) {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let upstream = house.catalog.trim_start_matches("http://");
    let folder = house.folder().join("nginx");
    std::fs::create_dir_all(&folder).unwrap();
    let place = folder.display();
    // One process, which ends with us, and which writes nothing outside of the folder.
    let config = format!(
        "daemon off; master_process off; pid {place}/pid; error_log {place}/error.log;
         events {{ worker_connections 256; }}
         http {{
             access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
             fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
             keepalive_requests 1000000;
             upstream catalog {{ server {upstream}; keepalive 16; keepalive_requests 1000000; }}
             server {{ listen 127.0.0.1:{port} http2; location / {{ grpc_pass grpc://catalog; }} }}
         }}"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config).unwrap();
    let child = Command::new(nginx)
        .arg("-c")
        .arg(&file)
        .arg("-p")
        .arg(&folder)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let url = format!("http://127.0.0.1:{port}");
    while Client::connect(&url, &house.token).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (child, url)
}
