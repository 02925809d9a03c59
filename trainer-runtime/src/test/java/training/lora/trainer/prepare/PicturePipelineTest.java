package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.api.DatasetSpec;
import training.lora.api.Json;
import training.lora.api.PreparationSpec;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.prepare.PicturePipeline.PreparedItem;
import training.lora.trainer.prepare.PicturePipeline.Steps;
import training.lora.trainer.prepare.augment.Copies;
import training.lora.trainer.prepare.mask.MaskMaker;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.ItemBuilder;
import training.lora.trainer.prepare.picture.Photo;
import training.lora.trainer.prepare.picture.PictureOptions;
import training.lora.trainer.prepare.place.CentreCrop;
import training.lora.trainer.prepare.place.Place;
import training.lora.trainer.prepare.place.Placement;

class PicturePipelineTest {
    private static final Path BAT = Goldens.BUNDLED.resolve("fluent-style/bat.png");

    @TempDir
    Path folder;

    private static List<Item> items(List<Path> files) throws IOException {
        DatasetSpec dataset = Json.STRICT_YAML.readValue("{name: main, uri: data}", DatasetSpec.class);
        List<Item> items = new ArrayList<>();
        for (Path file : files) {
            items.add(ItemBuilder.builder()
                    .dataset(dataset)
                    .name("main/" + items.size())
                    .file(file)
                    .caption("")
                    .invisible(0)
                    .build());
        }
        return items;
    }

    private PicturePipeline pipeline(
            List<Item> items, PicturePipeline.StopCheck stops, Placement placement, @Nullable MaskMaker masks)
            throws IOException {
        PreparationSpec plain = Json.STRICT_YAML.readValue("{}", PreparationSpec.class);
        Steps steps = PicturePipelineStepsBuilder.builder()
                .placement(placement)
                .copies(Copies.of(items, plain, 0))
                .factor(8)
                .options(PictureOptions.DEFAULT)
                .masks(masks)
                .enlarger(null)
                .build();
        return new PicturePipeline(
                stops,
                steps,
                StepCache.open(folder.resolve("made")),
                folder.resolve("dataset"),
                new PrepareProgress(1, (done, all, seconds) -> {}));
    }

    /** Counts the pictures that come to the stage's thread, each when {@code before} has come. */
    private static MaskMaker counting(AtomicInteger count, CountDownLatch before) {
        return new MaskMaker() {
            @Override
            public @Nullable Mat mask(Item item, Photo photo) {
                if (count.getAndIncrement() > 0) {
                    try {
                        before.await();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                }
                return null;
            }

            @Override
            public String key(Item item) {
                return "";
            }
        };
    }

    @Test
    void largeJpegKeepsItsSizeInTheManifestAndIsDecodedToFewerPixels() throws IOException {
        Mat large = new Mat(2400, 3200, CvType.CV_8UC3, new Scalar(40, 90, 200));
        MatOfByte jpeg = new MatOfByte();
        Imgcodecs.imencode(".jpg", large, jpeg);
        List<Item> items = items(List.of(Files.write(folder.resolve("large.jpg"), jpeg.toArray())));
        List<Size> seen = new ArrayList<>();
        MaskMaker looks = new MaskMaker() {
            @Override
            public @Nullable Mat mask(Item item, Photo photo) {
                seen.add(photo.colour().size());
                return null;
            }

            @Override
            public String key(Item item) {
                return "";
            }
        };

        PreparedItem prepared = pipeline(items, where -> {}, new CentreCrop(512), looks)
                .run(items, List.of("digest"))
                .get(0);

        assertThat(seen).containsExactly(new Size(1600, 1200));
        assertThat(List.of(prepared.width(), prepared.height())).containsExactly(3200, 2400);
        assertThat(prepared.pictures().get(0).place()).isEqualTo(new CentreCrop(512).place(3200, 2400));
        Mat written =
                Imgcodecs.imread(folder.resolve("dataset/images/00000.png").toString());
        assertThat(written.size()).isEqualTo(new Size(512, 512));
        assertThat(written.get(500, 500)[0]).isBetween(38.0, 42.0);
        assertThat(written.get(500, 500)[2]).isBetween(198.0, 202.0);
    }

    @Test
    void filesOfTheSameContentArePreparedAtOnce() throws IOException {
        List<Path> files = Collections.nCopies(100, BAT);
        List<String> digests = Collections.nCopies(100, Sha256.of(BAT));

        List<Item> items = items(files);

        List<PreparedItem> prepared =
                pipeline(items, where -> {}, new CentreCrop(16), null).run(items, digests);

        assertThat(prepared).hasSize(100).allSatisfy(item -> assertThat(Sha256.of(
                        folder.resolve("dataset").resolve(item.pictures().get(0).file())))
                .isEqualTo(prepared.get(0).pictures().get(0).digest()));
    }

    @Test
    void whatCantBeWrittenIsKnownAtThePictureThatMeetsIt() throws IOException {
        List<Item> items = items(Collections.nCopies(300, BAT));
        List<String> digests = java.util.stream.IntStream.range(0, 300)
                .mapToObj(Integer::toString)
                .toList();
        CountDownLatch full = new CountDownLatch(1);
        AtomicInteger seen = new AtomicInteger();
        Placement placement = new Placement() {
            @Override
            public List<Place> places(Item item, int width, int height, @Nullable Mat mask) {
                full.countDown();
                throw new IllegalStateException("No space left on device");
            }

            @Override
            public String key(Item item) {
                return "";
            }

            @Override
            public boolean usesMask() {
                return false;
            }
        };

        assertThatThrownBy(() -> pipeline(items, where -> {}, placement, counting(seen, full))
                        .run(items, digests))
                .hasMessage("No space left on device");

        assertThat(seen.get()).isBetween(1, 100);
    }

    /** Pictures that are decoded ahead may fail in their own way, which is not why the stage ends. */
    @Test
    void stageThatIsStoppedSaysSoWhateverLiesAhead() throws IOException {
        List<Path> files = new ArrayList<>(Collections.nCopies(20, BAT));
        Path broken = Files.createDirectory(folder.resolve("broken.png"));
        files.add(1, broken);
        TrainerException stop = new TrainerException(Reason.Preempted, "asked to stop");
        AtomicInteger passed = new AtomicInteger();

        List<Item> items = items(files);

        assertThatThrownBy(() -> pipeline(
                                items,
                                where -> {
                                    if (passed.getAndIncrement() > 0) {
                                        throw stop;
                                    }
                                },
                                new CentreCrop(16),
                                null)
                        .run(items, Collections.nCopies(21, Sha256.of(BAT))))
                .isSameAs(stop);
        assertThat(broken).isDirectory();
        assertThatThrownBy(() -> Photo.read(broken, PictureOptions.DEFAULT)).isInstanceOf(IOException.class);
    }
}
