// Readers of answers that come in pieces. Pure.

// Finds the objects in the list `jobs` of a JSON text that comes in pieces, so that a long list is not parsed in one go.
export class RowReader {
  #text = "";
  #at = 0;
  #depth = 0;
  #begin = 0;
  // All but the rows: the members beside the list.
  #rest = "";
  #isInRows = false;

  // The rows that a piece completes, as texts.
  *feed(piece) {
    this.#text += piece;
    const token = /["{}[\]]/g;
    for (;;) {
      token.lastIndex = this.#at;
      const found = token.exec(this.#text);
      if (!found) {
        this.#at = this.#text.length;
        break;
      }
      if (found[0] === '"') {
        const end = this.#endOfString(found.index + 1);
        if (end < 0) {
          this.#at = found.index;
          break;
        }
        this.#at = end + 1;
        continue;
      }
      this.#at = found.index + 1;
      const isList = this.#depth === 1 && found[0] === "[" && /"jobs"\s*:\s*$/.test(this.#text.slice(0, found.index));
      if (found[0] === "{" || found[0] === "[") {
        if (isList) {
          this.#isInRows = true;
          this.#rest += this.#text.slice(0, this.#at);
          this.#cut();
        } else if (this.#isInRows && this.#depth === 2) this.#begin = found.index;
        this.#depth += 1;
        continue;
      }
      this.#depth -= 1;
      if (this.#isInRows && this.#depth === 2) {
        yield this.#text.slice(this.#begin, this.#at);
        this.#cut();
      } else if (this.#isInRows && this.#depth === 1) {
        this.#isInRows = false;
        this.#text = this.#text.slice(found.index);
        this.#at = 1;
      }
    }
  }

  #cut() {
    this.#text = this.#text.slice(this.#at);
    this.#at = 0;
  }

  // The quote that ends a string; -1 where it did not come yet.
  #endOfString(from) {
    for (let at = this.#text.indexOf('"', from); at >= 0; at = this.#text.indexOf('"', at + 1)) {
      let slashes = 0;
      while (this.#text[at - 1 - slashes] === "\\") slashes += 1;
      if (slashes % 2 === 0) return at;
    }
    return -1;
  }

  // The members beside the list. Throws where the text was no JSON object.
  rest() {
    return JSON.parse(this.#rest + this.#text);
  }
}

// Reads an event stream of a relay, whose lines end with LF, in pieces.
export class StreamReader {
  #text = "";
  #data = [];
  #event = "";
  #id = null;

  // The events that a piece completes: `{data, event, id}`, where `data` is null for an id alone.
  *feed(piece) {
    const lines = (this.#text + piece).split("\n");
    this.#text = lines.pop();
    for (const line of lines) {
      if (line === "") {
        const [data, event, id] = [this.#data, this.#event, this.#id];
        if (data.length > 0 || id !== null) yield { data: data.length > 0 ? data.join("\n") : null, event, id };
        [this.#data, this.#event, this.#id] = [[], "", null];
        continue;
      }
      const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
      if (name === "data") this.#data.push(value);
      else if (name === "event") this.#event = value;
      else if (name === "id") this.#id = value;
    }
  }
}
