package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import training.lora.api.CleanUp;
import training.lora.api.MaskSource;
import training.lora.api.MaskSpec;
import training.lora.api.SafetySpec;
import training.lora.trainer.Waits;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.prepare.mask.SegmentPrompts;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.tensor.Threads;

/**
 * All pictures of a run with their captions, as they came.
 *
 * @param items the pictures, a data set after the other
 * @param digests sha256 of each picture's file
 * @param digest sha256 over all that is trained on: pictures, captions with their concepts' words, roles and masks, and
 *     over the models that help to make them
 * @param notes what people should know of it, a sentence each
 */
record RawData(List<Item> items, List<String> digests, String digest, List<String> notes) {
    /**
     * Reads names, captions and digests; decodes nothing.
     *
     * @param unpacked where archives are unpacked to
     */
    static RawData read(RunContext context, Path unpacked, FileDigests files) throws IOException {
        List<String> notes = new ArrayList<>();
        List<Item> items = new DatasetReader(context, unpacked, notes::add).read();
        List<String> digests = digests(items, files);
        return new RawData(
                List.copyOf(items), List.copyOf(digests), digest(items, digests, context, files), List.copyOf(notes));
    }

    /** sha256 of each item's file, by as many threads as there are processors to use. */
    static List<String> digests(List<Item> items, FileDigests files) throws IOException {
        ExecutorService pool = Executors.newFixedThreadPool(Threads.count());
        try {
            List<Future<String>> all = items.stream()
                    .map(item -> pool.submit(() -> files.of(item.file())))
                    .toList();
            List<String> digests = new ArrayList<>();
            for (Future<String> one : all) {
                digests.add(Waits.get(one));
            }
            return digests;
        } finally {
            Waits.end(pool);
        }
    }

    private static String digest(List<Item> items, List<String> digests, RunContext context, FileDigests files)
            throws IOException {
        MaskSpec mask = context.run().spec().preparation().mask();
        MaskSource masks = mask.source();
        boolean rewritten = context.run().spec().preparation().captions().cleanUp() != CleanUp.None;
        StringBuilder all = new StringBuilder(masks == MaskSource.None ? "" : masks + "\n");
        if (masks.modelled()) {
            // Without the model's uri, of which the content counts.
            all.append(mask.scoring())
                    .append(' ')
                    .append(mask.temperature())
                    .append(' ')
                    .append(mask.bias());
            all.append(' ')
                    .append(mask.blurred())
                    .append(' ')
                    .append(mask.faces())
                    .append('\n');
        }
        SafetySpec safety = context.run().spec().preparation().safety();
        if (safety != null) {
            all.append("safety ")
                    .append(safety.threshold())
                    .append(' ')
                    .append(safety.action())
                    .append('\n');
        }
        all.append(context.preparingDigest(files));
        all.append(Captioning.key(context, items, files));
        all.append(Rewriting.key(context.run().spec().preparation().captions(), mask, items));
        for (int i = 0; i < items.size(); i++) {
            Item item = items.get(i);
            all.append(item.name()).append('\0').append(item.dataset().role()).append('\0');
            all.append(digests.get(i)).append('\0');
            all.append(item.caption()).append(item.captionFrom() == null ? "\0\n" : "\n");
            if (item.variants() != null) {
                all.append(String.join("\0", item.variants())).append('\n');
            }
            if (rewritten) {
                // What is rewritten, of which two may be worded alike.
                all.append(item.said() == null ? "whole" : "said\0" + String.join("\0", item.said()))
                        .append('\n');
            }
            if (masks == MaskSource.Segment) {
                all.append(new SegmentPrompts(mask, Map.of()).of(item.dataset()))
                        .append('\n');
            }
            if (masks == MaskSource.Files && item.mask() != null) {
                all.append(files.of(item.mask())).append('\n');
            }
        }
        return Sha256.of(all.toString());
    }
}
