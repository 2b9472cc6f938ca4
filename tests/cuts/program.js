// Calls with arguments and answers of up to 100 KiB, eight at a time; each answer must be that of its own call.
const total = TOTAL, lanes = 8, wrong = [];
let next = 0;
async function lane() {
  while (next < total) {
    const i = next++, bytes = (i * 7919) % 102400, reply = (i * 4001) % 102400;
    const answer = await fixture.count({ id: `PREFIX:${i}`, payload: "x".repeat(bytes), reply });
    if (answer.id !== `PREFIX:${i}` || answer.pad.length !== reply || answer.bytes < bytes) wrong.push(i);
  }
}
await Promise.all(Array.from({ length: lanes }, lane));
return { total, wrong };
