// The connection to the server, which is made again by itself, and who is shown: all people, or one of them.

(() => {
  const PATIENCE = 5000, // milliseconds without a message after which the connection counts as broken
    RETRY = 1000;
  let socket = null,
    heardAt = 0,
    lostSince = null,
    triedAt = 0,
    isTrying = false;

  async function get(path) {
    const answer = await fetch(path + query(), { signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error((await answer.json()).error);
    return answer.json();
  }

  async function connect() {
    if (isTrying || socket || document.hidden) return;
    [isTrying, triedAt] = [true, performance.now()];
    try {
      const found = await get("/facts");
      // A server that was restarted may have another model, whose classes have other numbers.
      if (facts && JSON.stringify(found) !== JSON.stringify(facts)) person.begin();
      facts = found;
      at("simulated").hidden = !facts.simulated;
      open();
    } catch (error) {
      lose(error instanceof TypeError || error instanceof DOMException ? "it does not answer" : error.message);
    }
    isTrying = false;
  }

  function open() {
    const mine = (socket = openSocket("/overview"));
    let isFirst = true;
    heardAt = performance.now();
    mine.onmessage = ({ data }) => {
      if (mine !== socket) return;
      const news = JSON.parse(data);
      if (isFirst) begin(news);
      isFirst = false;
      heardAt = performance.now();
      people.take(news);
      route();
      person.refresh();
    };
    mine.onclose = ({ reason }) => {
      if (mine === socket) lose(reason || "it was stopped, or has as many watchers as it takes");
    };
  }

  function begin({ people: there = {} }) {
    lostSince = null;
    document.body.classList.remove("lost");
    write("status", "connected");
    people.begin(new Set(Object.keys(there)));
  }

  function lose(reason) {
    const old = socket;
    socket = null;
    old?.close();
    // The server of one stream ends with it: then nothing is lost, and the last result stays.
    const isEnd = person.isEnded() && facts?.ends_with_stream;
    lostSince = isEnd ? null : (lostSince ?? new Date().toLocaleTimeString());
    document.body.classList.toggle("lost", !isEnd);
    const text = `not connected to the server since ${lostSince}; trying again (${reason})`;
    write("status", isEnd ? "the stream has ended" : text);
  }

  function drop(reason) {
    person.close();
    lose(reason);
  }

  const inAddress = () => new URLSearchParams(location.hash.slice(1)).get("person") || null;

  // Who is shown: the one of the address, or the only one.
  function route() {
    const wanted = inAddress(),
      names = people.names();
    const isAlone = names.length === 1 && !names.includes(person.name());
    if (wanted !== null) person.choose(wanted);
    else if (isAlone && !isLeft) person.choose(names[0]);
    const one = person.name();
    const view = one === null ? "all" : names.every((name) => name === one) && wanted === null ? "one" : "both";
    if (document.body.dataset.view !== view) document.body.dataset.view = view;
    people.mark(one);
  }

  let isLeft = false; // to see all people, although there may be one only

  function showAll() {
    const left = person.name();
    isLeft = true;
    history.pushState(null, "", location.pathname + location.search);
    person.choose(null);
    route();
    for (const link of at("rows").querySelectorAll("a")) if (link.parentElement.dataset.name === left) link.focus();
  }

  window.onhashchange = window.onpopstate = () => {
    if (inAddress() === null) person.choose(null);
    route();
    // The list is hidden on a small screen: then what has the focus is to be seen.
    if (person.name() !== null && document.activeElement?.offsetParent === null) at("name").focus();
    if (person.name() !== null && at("people").offsetParent === null) scrollTo(0, 0);
  };
  at("all").onclick = (event) => {
    event.preventDefault();
    showAll();
  };
  window.onkeydown = (event) => {
    if (event.key === "Escape" && person.name() !== null && document.body.dataset.view !== "one") showAll();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !at("rows").contains(document.activeElement)) return;
    event.preventDefault();
    people.move(step);
  };

  // A page that nobody sees costs nothing.
  document.onvisibilitychange = () => {
    if (document.hidden) drop("the page was hidden");
    else connect();
  };
  setInterval(() => {
    if (socket && performance.now() - heardAt > PATIENCE) drop("it is silent");
    if (!socket && performance.now() - triedAt > RETRY) connect();
  }, 500);
  window.onresize = matchMedia("(prefers-color-scheme: dark)").onchange = person.redraw;
  connect();
})();
