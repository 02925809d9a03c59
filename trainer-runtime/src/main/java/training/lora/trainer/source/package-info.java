/**
 * Finds what a uri names, and fetches what is not on this machine.
 *
 * <p>{@link training.lora.trainer.source.Source} is what a field of the spec names, with the use that it has there; the run's
 * context makes them. {@link training.lora.trainer.source.Sources} turns one into a path: at once for a plain path,
 * {@code bundled://} and {@code pvc://}, and through {@link training.lora.trainer.source.Remote} for all else. There are two of
 * those: in prepare the {@link training.lora.trainer.source.Fetcher}, which may ask the network, and in the later stages
 * {@code sources.json} ({@link training.lora.trainer.source.FetchedSources}), which may not.
 *
 * <p><b>A scheme</b> is a class that implements {@link training.lora.trainer.source.Scheme}, and a line in
 * {@code Schemes.make}, which makes it when the first uri needs it. It lists what a source names today: a
 * {@link training.lora.trainer.source.Listing} of {@link training.lora.trainer.source.RemoteFile}s. Each of those has an
 * <em>identity</em>, which must be another for another content (an ETag with its url, a version's id, a digest), the sizes and
 * digests that are known beforehand, and a {@link training.lora.trainer.source.RemoteFile.Content} that opens its bytes at an
 * offset. It throws {@link training.lora.trainer.source.TransientException} where a later try may help, and a
 * {@code TrainerException} made by {@code Source.wrong} or {@code Source.invalid} where none will, with a sentence that goes on
 * after field and uri. Its credentials are the keys that {@code Surroundings.secrets().of(source)} gives, else the machine's
 * own; addresses go through {@code Surroundings.guard()}.
 *
 * <p>The rest is the same for all: {@code Fetcher} fetches what {@link training.lora.trainer.source.Cache} lacks, several files
 * at once, through {@code Download}, which resumes, tries again ({@code Tries}), keeps to the limits, and checks length, digest
 * and kind ({@code FileKind}); files then lie in the cache by their sha256, and under their names in a tree of links, which is
 * what the run reads. Archives are unpacked with care.
 */
@NullMarked
package training.lora.trainer.source;

import org.jspecify.annotations.NullMarked;
