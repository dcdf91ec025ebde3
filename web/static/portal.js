"use strict";
// What the portal adds: uploads with progress that go on where they broke off, and
// restores that go on by themselves. Both work without, as plain forms.
(() => {
  // ---- work that takes several answers ----
  const more = document.querySelector("form[data-go-on]");
  if (more) setTimeout(() => more.submit(), 50);

  // ---- uploads ----
  const form = document.querySelector("form[data-upload]");
  if (!form || !window.XMLHttpRequest) return;
  const input = form.querySelector("input[type=file]");
  const list = form.querySelector("ul");
  const status = form.querySelector("[role=status]");
  const stream = "stream" in form.dataset;
  const atOnce = 3;
  const big = 8 << 20, patience = 6; // bytes; tries that bring nothing
  const say = (text, trouble) => { status.textContent = text; status.classList.toggle("trouble", Boolean(trouble)); };
  const node = (tag, text) => { const e = document.createElement(tag); if (text) e.textContent = text; return e; };
  const size = (n) => { const u = ["B", "KiB", "MiB", "GiB", "TiB"]; let i = 0; while (n >= 1024 && i < 4) { n /= 1024; i++; } return `${i ? n.toFixed(1) : n} ${u[i]}`; };

  // What this browser has sent already, so that an interrupted upload is not begun
  // from its beginning: by place, name, size and date, with the server's digest.
  const target = (path) => stream ? form.dataset.upload : `${form.dataset.upload.replace(/\/$/, "")}/${path.split("/").map(encodeURIComponent).join("/")}`;
  const key = (job) => `holdfast-sent ${job.url} ${job.file.size} ${job.file.lastModified}`;
  const remember = (job, etag) => { try { sessionStorage.setItem(key(job), etag); } catch { /* then it is sent again */ } };
  const known = (job) => { try { return sessionStorage.getItem(key(job)); } catch { return null; } };

  function send(method, url, body, on, headers) {
    return new Promise((resolve) => {
      const x = new XMLHttpRequest();
      x.open(method, url);
      for (const [name, value] of Object.entries(headers || {})) x.setRequestHeader(name, value);
      x.upload.onprogress = (e) => on && e.lengthComputable && on(e.loaded);
      x.onloadend = () => resolve({ status: x.status, etag: x.getResponseHeader("ETag"), text: x.responseText });
      x.send(body || null);
    });
  }

  function refusal(answer) {
    let why = answer.status ? "" : "The connection broke off.";
    try { const p = JSON.parse(answer.text); why = p.detail || p.title; } catch { /* no problem object */ }
    return new Error(why || `The server answered ${answer.status}.`);
  }

  // A large file is announced, and sent from where the server has it: docs/spec/upload.md.
  async function large(job) {
    const place = form.dataset.uploads, whole = job.file.size;
    const about = JSON.stringify({ path: stream ? "" : form.dataset.dir + job.path, size: whole, modified: new Date(job.file.lastModified).toISOString(), content_type: job.file.type });
    for (let tries = 0, best = -1; ; tries++) {
      // What goes on by itself does not prolong the session.
      const quiet = tries ? { "X-Unattended": "1" } : {};
      let answer = job.id ? await send("GET", `${place}/${job.id}`, null, null, quiet) : await send("POST", place, about, null, quiet);
      if (answer.status >= 200 && answer.status < 300) {
        const u = JSON.parse(answer.text);
        job.id = u.id;
        if (u.state === "done") return u.found ? "there already" : "uploaded";
        if (u.offset > best) { best = u.offset; tries = 0; }
        const from = u.found && u.offset ? `goes on at ${size(u.offset)} of ${size(whole)}, where it broke off`
          : u.changed ? "the file has changed since it broke off; begun anew" : tries || best ? `goes on at ${size(u.offset)}` : "";
        const show = (n) => { job.bar.value = u.offset + n; job.words.textContent = `${size(u.offset + n)} of ${size(whole)}${from && `: ${from}`}`; };
        show(0);
        if (from) say(`${job.path} ${from}.`);
        answer = await send("PATCH", `${place}/${job.id}`, job.file.slice(u.offset), show, { ...quiet, "Upload-Offset": u.offset });
        if (answer.status === 200 && JSON.parse(answer.text).state === "done") return "uploaded";
      }
      if (answer.status === 401) throw new Error("Your session has ended. Sign in and choose the same file again: it goes on where it stood.");
      if (answer.status >= 400 && answer.status < 500 && answer.status !== 409 && answer.status !== 408) throw refusal(answer);
      if (tries >= patience) throw new Error(`${refusal(answer).message} What came is kept for a day: choose the same file again and it goes on.`);
      try { await job.file.slice(0, 1).arrayBuffer(); } catch { throw new Error("The file has changed on this computer. Choose it again."); }
      job.words.textContent = "The connection broke off. Trying again…";
      await new Promise((ok) => { setTimeout(ok, Math.min(30, 2 ** tries) * 1000); window.addEventListener("online", ok, { once: true }); });
    }
  }

  async function one(job) {
    if (form.dataset.uploads && job.file.size >= big) return large(job);
    const sent = known(job);
    if (sent) {
      const there = await send("HEAD", job.url);
      if (there.status === 200 && there.etag === sent) return "there already";
    }
    const answer = await send("PUT", job.url, job.file, (n) => { job.bar.value = n; job.words.textContent = `${size(n)} of ${size(job.file.size)}`; });
    if (answer.status === 200) {
      if (answer.etag) remember(job, answer.etag);
      return "uploaded";
    }
    throw refusal(answer);
  }

  function show(file, path) {
    const job = { file, path, url: target(path), bar: node("progress"), words: node("span", "waiting") };
    const row = node("li"), label = node("label"), name = node("bdi", path);
    job.bar.max = Math.max(1, file.size);
    job.bar.value = 0;
    label.append(name, job.bar);
    row.append(label, job.words);
    list.append(row);
    return job;
  }

  let busy = false;
  async function run(files) {
    if (busy || !files.length) return;
    busy = true;
    form.classList.add("busy");
    list.replaceChildren();
    const jobs = files.map((f) => show(f.file, f.path)), failed = [];
    let next = 0, done = 0;
    say(`Uploading ${jobs.length === 1 ? "1 file" : `${jobs.length} files`}…`);
    const worker = async () => {
      while (next < jobs.length) {
        const job = jobs[next++];
        try {
          job.words.textContent = await one(job);
          job.bar.value = job.bar.max;
          done++;
        } catch (error) {
          job.words.textContent = `not uploaded: ${error.message}`;
          failed.push(job);
        }
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    busy = false;
    form.classList.remove("busy");
    if (!failed.length) {
      say(`${done === 1 ? "1 file is" : `${done} files are`} uploaded and durable.`);
      const here = new URL(location.href);
      here.searchParams.set("done", "uploaded");
      location.assign(here);
      return;
    }
    say(`${done} uploaded, ${failed.length} not. What is there is not sent again.`, true);
    const again = node("button", "Send the missing ones again");
    again.type = "button";
    again.className = "quiet";
    again.addEventListener("click", () => { again.remove(); run(failed.map((j) => ({ file: j.file, path: j.path }))); });
    list.after(again);
  }

  const chosen = (files) => [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));

  // What is dropped may be folders.
  async function dropped(items) {
    const out = [];
    const walk = async (entry) => {
      if (entry.isFile) {
        const file = await new Promise((ok, no) => entry.file(ok, no));
        out.push({ file, path: entry.fullPath.replace(/^\//, "") });
        return;
      }
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((ok, no) => reader.readEntries(ok, no));
        if (!some.length) return;
        for (const e of some) await walk(e);
      }
    };
    const roots = [...items].filter((i) => i.kind === "file").map((i) => i.webkitGetAsEntry && i.webkitGetAsEntry()).filter(Boolean);
    for (const r of roots) await walk(r);
    return out;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(chosen(input.files));
  });
  for (const kind of ["dragover", "dragenter"]) form.addEventListener(kind, (e) => { e.preventDefault(); form.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) form.addEventListener(kind, () => form.classList.remove("over"));
  form.addEventListener("drop", async (event) => {
    event.preventDefault();
    const plain = chosen(event.dataTransfer.files);
    try {
      const found = await dropped(event.dataTransfer.items);
      run(stream ? plain.slice(0, 1) : found.length ? found : plain);
    } catch { run(plain); }
  });
  window.addEventListener("beforeunload", (event) => { if (busy) event.preventDefault(); });
})();
