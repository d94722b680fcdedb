// Chart.js on Skia as a peer of benchmarks/render.py: bars come in as one JSON line, then a line for every render.
import { createInterface } from "node:readline";
import { writeFileSync } from "node:fs";
import { createCanvas } from "@napi-rs/canvas";
import * as ChartJs from "chart.js";
import { CandlestickController, CandlestickElement } from "chartjs-chart-financial/dist/chartjs-chart-financial.esm.js";
import "chartjs-adapter-date-fns";

const { Chart, BarController, BarElement, LinearScale, TimeSeriesScale, Title } = ChartJs;
Chart.register(CandlestickController, CandlestickElement, BarController, BarElement, LinearScale, TimeSeriesScale, Title);

const UP = "#089981";
const DOWN = "#e8384a";

function configuration({ time, open, high, low, close, volume }) {
  const candles = time.map((x, i) => ({ x, o: open[i], h: high[i], l: low[i], c: close[i] }));
  const traded = time.map((x, i) => ({ x, y: volume[i] }));
  const colors = close.map((value, i) => (value >= open[i] ? UP : DOWN));
  return {
    type: "candlestick",
    data: {
      datasets: [
        { label: "GOOG", data: candles, yAxisID: "price", backgroundColors: { up: UP, down: DOWN, unchanged: UP } },
        { type: "bar", label: "Volume", data: traded, yAxisID: "volume", backgroundColor: colors },
      ],
    },
    options: {
      animation: false,
      responsive: false,
      devicePixelRatio: 1,
      plugins: { title: { display: true, text: "GOOG 1d" } },
      scales: {
        x: { type: "timeseries", offset: true },
        price: { type: "linear", position: "right", stack: "panels", stackWeight: 4 },
        volume: { type: "linear", position: "right", stack: "panels", stackWeight: 1, beginAtZero: true },
      },
    },
  };
}

function render(bars, width, height) {
  const canvas = createCanvas(width, height);
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, width, height);
  const chart = new Chart(canvas, configuration(bars));
  const image = canvas.toBuffer("image/png");
  chart.destroy();
  return image;
}

let request = null;
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.bars) {
    request = message;
    continue;
  }
  const begin = process.hrtime.bigint();
  const image = render(request.bars, request.width, request.height);
  const milliseconds = Number(process.hrtime.bigint() - begin) / 1e6;
  if (message.save) {
    writeFileSync(message.save, image);
  }
  console.log(JSON.stringify({ milliseconds, bytes: image.length }));
}
