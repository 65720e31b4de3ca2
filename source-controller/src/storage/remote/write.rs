//! I/O: what the process that makes the artifacts writes to the object store. Nobody else does, so cards need no locks.

use super::{CARD, MAX_FILE, Remote, RemoteError, Trouble, split};
use crate::{
    objects::{self, Content, Store},
    storage::{
        Retention,
        card::{Card, Kept, stored},
    },
};
use std::io;

impl Remote {
    /// Puts a file there and says so on its object's card. What it makes superfluous stays there.
    pub(in super::super) async fn put(
        &self,
        path: &str,
        content: Content,
        kept: Kept,
        links: &[String],
    ) -> Result<(), RemoteError> {
        self.patiently(async {
            let store = self.store().await?;
            self.write(&store, path, &content, kept.digest.as_str()).await?;
            let mut card = self.card(&store, split(path).0).await?;
            self.note(&store, path, &mut card, kept, links).await
        })
        .await
    }

    /// Whether it is time to see that the store has a file.
    pub(in super::super) fn is_due(&self, path: &str, digest: &str) -> bool {
        let (folder, name) = split(path);
        self.known.is_due(folder, &stored(name, digest))
    }

    /// Sees to it that the store has a file, and that its object's card says so; what is no longer kept beside it is deleted.
    pub(in super::super) async fn keep(
        &self,
        path: &str,
        content: impl FnOnce() -> io::Result<Content>,
        kept: Kept,
        links: &[String],
        retention: Retention,
    ) -> Result<(), RemoteError> {
        let (folder, name) = split(path);
        let kept_there = self.patiently(async {
            let store = self.store().await?;
            let key = self.key(&format!("{folder}/{}", stored(name, &kept.digest)));
            let page = store.page(&key, None).await?;
            let is_there = page.objects.iter().any(|object| object.key == key);
            if !is_there {
                let content = content().map_err(RemoteError::Disk)?;
                self.write(&store, path, &content, &kept.digest).await?;
                tracing::info!(path, "put into the object store, which had it not");
            }
            let mut card = self.card(&store, folder).await?;
            let named = card
                .files
                .get(name)
                .is_some_and(|on_card| on_card.digest == kept.digest);
            if named {
                self.known.is_there(folder, stored(name, &kept.digest));
            } else {
                self.note(&store, path, &mut card, kept, links).await?;
            }
            self.clear(&store, path, card, retention).await
        });
        let done = kept_there.await;
        if done.is_err() {
            self.known.failed();
        }
        done
    }

    /// Deletes what is no longer kept beside the current file.
    pub(in super::super) async fn trim(&self, path: &str, retention: Retention) -> Result<(), RemoteError> {
        self.patiently(async {
            let store = self.store().await?;
            let card = self.card(&store, split(path).0).await?;
            self.clear(&store, path, card, retention).await
        })
        .await
    }

    async fn write(&self, store: &Store, path: &str, content: &Content, digest: &str) -> Result<(), Trouble> {
        if content.length > MAX_FILE {
            return Err(RemoteError::TooLarge(path.to_owned()).into());
        }
        let (folder, name) = split(path);
        let key = self.key(&format!("{folder}/{}", stored(name, digest)));
        Ok(store.write(&key, content).await?)
    }

    /// Writes on a card that a file is there.
    async fn note(
        &self,
        store: &Store,
        path: &str,
        card: &mut Card,
        kept: Kept,
        links: &[String],
    ) -> Result<(), Trouble> {
        let (folder, name) = split(path);
        let file = stored(name, &kept.digest);
        card.add(name, kept, links);
        self.write_card(store, folder, card).await?;
        self.known.is_there(folder, file);
        Ok(())
    }

    async fn clear(
        &self,
        store: &Store,
        path: &str,
        mut card: Card,
        retention: Retention,
    ) -> Result<(), Trouble> {
        let (folder, name) = split(path);
        card.trim(name, jiff::Timestamp::now().as_second(), retention);
        if card.gone.is_empty() {
            return Ok(());
        }
        // First nobody is sent there any more; what cannot be deleted now stays on the card until it is.
        self.write_card(store, folder, &card).await?;
        for file in &card.gone {
            store.delete(&self.key(&format!("{folder}/{file}"))).await?;
        }
        card.gone.clear();
        self.write_card(store, folder, &card).await
    }

    /// Deletes everything of an object: its card first, so that nobody is sent to what goes.
    pub(in super::super) async fn remove(&self, folder: &str) -> Result<(), RemoteError> {
        self.patiently(async {
            let store = self.store().await?;
            let folder = folder.trim_end_matches('/');
            self.known.forget(folder);
            store.delete(&self.key(&format!("{folder}/{CARD}"))).await?;
            let (prefix, mut keys) = (self.key(&format!("{folder}/")), Vec::new());
            let first = store.page(&prefix, None).await?;
            let mut pages = objects::Pages::new(&store, &prefix, first);
            while let Some(page) = pages.next().await? {
                keys.extend(page.into_iter().map(|listed| listed.key));
            }
            for key in keys {
                store.delete(&key).await?;
            }
            Ok(())
        })
        .await
    }

    async fn write_card(&self, store: &Store, folder: &str, card: &Card) -> Result<(), Trouble> {
        let key = self.key(&format!("{folder}/{CARD}"));
        let text = serde_json::to_vec(card).map_err(|_| RemoteError::Damaged(key.clone()))?;
        Ok(store.write(&key, &Content::bytes(text)).await?)
    }
}
