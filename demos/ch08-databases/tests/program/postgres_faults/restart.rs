//! A server that starts anew under a pool.

use std::{process::Command, time::Duration};

use scratch_postgres::cluster_for_test;
use sqlx::{PgPool, postgres::PgPoolOptions, query_scalar};
use tokio::time::{sleep, timeout};

async fn sessions(pool: &PgPool) -> sqlx::Result<Vec<i32>> {
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(pool.acquire().await?);
    }
    let mut sessions = Vec::new();
    for connection in &mut connections {
        let id = query_scalar("select pg_backend_pid()");
        sessions.push(id.fetch_one(&mut **connection).await?);
    }
    Ok(sessions)
}

/// A session's process that is killed makes the server end all of them and recover, as after a crash.
#[tokio::test]
async fn after_a_restart_of_the_server_the_pool_has_its_size_and_new_sessions() {
    let Some(cluster) = cluster_for_test().await else {
        return;
    };
    let options = PgPoolOptions::new().max_connections(3);
    let pool = options.connect(&cluster.url()).await.unwrap();
    let before = sessions(&pool).await.unwrap();
    let killed = before[0].to_string();
    Command::new("kill")
        .args(["-KILL", &killed])
        .status()
        .unwrap();

    let recovered = async {
        loop {
            match sessions(&pool).await {
                // Until the server has noticed, the two that weren't killed still answer.
                Ok(after) if after.iter().all(|id| !before.contains(id)) => return after,
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let after = timeout(Duration::from_secs(60), recovered).await.unwrap();
    assert_eq!(after.len(), 3);
    assert_eq!(pool.size(), 3);
    pool.close().await;
}
