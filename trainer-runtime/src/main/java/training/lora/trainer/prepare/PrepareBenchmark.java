package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import training.lora.api.DatasetSpec;
import training.lora.api.Json;
import training.lora.api.PreparationSpec;
import training.lora.api.ProcessLocale;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.prepare.augment.Copies;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.ItemBuilder;
import training.lora.trainer.prepare.picture.PictureOptions;
import training.lora.trainer.prepare.place.CentreCrop;
import training.lora.trainer.run.ProcessMemory;
import training.lora.trainer.tensor.Threads;

/**
 * Times the preparation of pictures without latents, captions and masks: digests, decoding, measures for the report, crop,
 * PNG and the cache. {@code benchmarks/prepare/run} starts it beside libvips. Prints one line of JSON.
 */
final class PrepareBenchmark {
    private PrepareBenchmark() {}

    /** {@code FOLDER_OF_PICTURES EMPTY_FOLDER PIXELS}. */
    public static void main(String[] args) throws IOException {
        ProcessLocale.makeNeutral();
        Path out = Path.of(args[1]);
        long begin = System.nanoTime();
        List<Item> items = items(Path.of(args[0]));
        List<String> digests = RawData.digests(items, FileDigests.computed());
        PreparationSpec plain = Json.STRICT_YAML.readValue("{}", PreparationSpec.class);
        PicturePipeline.Steps steps = PicturePipelineStepsBuilder.builder()
                .placement(new CentreCrop(Integer.parseInt(args[2])))
                .copies(Copies.of(items, plain, 0))
                .factor(8)
                .options(PictureOptions.DEFAULT)
                .build();
        int prepared = new PicturePipeline(
                        where -> {},
                        steps,
                        StepCache.open(out.resolve("made")),
                        out.resolve("dataset"),
                        new PrepareProgress(items.size(), (done, all, left) -> {}))
                .run(items, digests)
                .size();
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("program", "lora-trainer");
        line.put("pictures", prepared);
        line.put("seconds", Math.round((System.nanoTime() - begin) / 1e8) / 10.0);
        line.put("threads", Threads.count());
        line.put("peak_rss_mib", ProcessMemory.peakResidentBytes() >> 20);
        System.out.println(Json.MAPPER.writeValueAsString(line));
    }

    private static List<Item> items(Path folder) throws IOException {
        DatasetSpec dataset = Json.STRICT_YAML.readValue("{name: main, uri: data}", DatasetSpec.class);
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted()
                    .map(file -> ItemBuilder.builder()
                            .dataset(dataset)
                            .name("main/" + file.getFileName())
                            .file(file)
                            .caption("")
                            .invisible(0)
                            .build())
                    .toList();
        }
    }
}
