// Search where the site is read from the disk: browsers start no worker there, so its script runs in a hidden frame.
// (The theme would fetch such a script from another host.)
class FrameWorker extends EventTarget {
  constructor(address) {
    super();
    this.frame = document.createElement("iframe");
    this.frame.hidden = true;
    const ready = "postMessage = message => parent.postMessage({frameWorker: message}, '*');" +
      "importScripts = (...all) => all.reduce((before, each) => before.then(() => new Promise((done, failed) => {" +
      "const script = document.createElement('script'); script.src = each; script.onload = done;" +
      "script.onerror = failed; document.body.appendChild(script); })), Promise.resolve());";
    this.frame.srcdoc = `<body><script>${ready}<\/script><script src="${address}"><\/script></body>`;
    this.started = new Promise(done => { this.frame.onload = done; });
    addEventListener("message", event => {
      if (event.source !== this.frame.contentWindow || !event.data || !("frameWorker" in event.data)) return;
      const heard = new MessageEvent("message", {data: event.data.frameWorker});
      this.dispatchEvent(heard);
      if (this.onmessage) this.onmessage(heard);
    });
    document.body.appendChild(this.frame);
  }

  postMessage(data) {
    this.started.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", {data})));
  }

  terminate() {
    this.frame.remove();
  }
}

if (location.protocol === "file:") window.Worker = FrameWorker;
