package training.lora.trainer.prepare;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.DatasetManifestSampleBuilder;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.prepare.LatentMasks.LatentMask;
import training.lora.trainer.prepare.PicturePipeline.PreparedItem;
import training.lora.trainer.prepare.PicturePipeline.PreparedPicture;
import training.lora.trainer.prepare.place.Place;
import training.lora.trainer.prepare.report.DataReport.ReportedPicture;
import training.lora.trainer.prepare.report.DataReportReportedPictureBuilder;

/** What is written of the prepared pictures: samples, their masks, and what the report says of them. */
final class PreparedSamples {
    private PreparedSamples() {}

    /** The samples as the report has them. */
    static List<ReportedPicture> reported(List<PreparedItem> prepared, List<Sample> samples, StableDiffusion model) {
        List<ReportedPicture> reported = new ArrayList<>();
        for (PreparedItem item : prepared) {
            for (PreparedPicture picture : item.pictures()) {
                Sample sample = samples.get(reported.size());
                Place place = picture.place();
                LatentMask mask = picture.mask();
                double kept = (double) place.width() * place.height() / place.scaledWidth() / place.scaledHeight();
                reported.add(DataReportReportedPictureBuilder.builder()
                        .name(sample.name())
                        .role(sample.role().name())
                        .file(picture.file())
                        .width(item.width())
                        .height(item.height())
                        .preparedWidth(place.width())
                        .preparedHeight(place.height())
                        .scale((double) place.scaledWidth() / item.width())
                        .lost(Math.max(0, 1 - kept))
                        .measures(item.seen().measures())
                        .caption(sample.caption())
                        .tokens(model.prompts().tokens(sample.caption()))
                        .masked(mask == null ? null : mask.coverage())
                        .original(sample.original())
                        .variation(picture.variation())
                        .build());
            }
        }
        return reported;
    }

    /** A sample for each prepared picture, in the order of the items. */
    static List<Sample> of(List<PreparedItem> prepared, RawData raw, List<Captioning.Caption> captions) {
        List<Sample> samples = new ArrayList<>();
        for (PreparedItem p : prepared) {
            for (PreparedPicture picture : p.pictures()) {
                Captioning.Caption caption = captions.get(samples.size());
                samples.add(DatasetManifestSampleBuilder.builder()
                        .name(p.item().name())
                        .dataset(p.item().dataset().name())
                        .role(p.item().dataset().role())
                        .file(picture.file())
                        .caption(caption.text())
                        .sha256(raw.digests().get(p.index()))
                        .sizes(picture.place().sizes(p.width(), p.height()))
                        .variants(caption.variants())
                        .captionFrom(caption.from())
                        .original(caption.original())
                        .variation(picture.variation())
                        .build());
            }
        }
        return samples;
    }

    /** The mask of each prepared picture, 8 bits, which is the caller's; null where every part of it counts. */
    static IntFunction<@Nullable Mat> masks(List<PreparedItem> prepared) {
        List<PreparedPicture> all =
                prepared.stream().flatMap(item -> item.pictures().stream()).toList();
        return index -> {
            LatentMask mask = all.get(index).mask();
            return mask == null ? null : mask.toMat();
        };
    }

    /** Writes the masks, where there are any. */
    static void writeMasks(List<PreparedItem> prepared, Path folder, NDManager manager) throws IOException {
        List<LatentMask> masks = prepared.stream()
                .flatMap(item -> item.pictures().stream())
                .map(PreparedPicture::mask)
                .filter(Objects::nonNull)
                .toList();
        if (!masks.isEmpty()) {
            LatentMasks.write(masks, folder, manager);
        }
    }
}
