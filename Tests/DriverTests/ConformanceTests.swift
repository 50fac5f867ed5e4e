import Audit
import ConformanceSuites
import Drivers
import FaultInjection
import Foundation
import Testing
import Vault

@Suite struct ConformanceTests {
  @Test(arguments: CatalogConformance.cases)
  func sqliteIsACatalog(promise: ConformanceCase<CatalogDriver>) async throws {
    let directory = try TemporaryDirectory()
    try await promise.check { try SQLiteCatalog(directory.path + "/catalog.sqlite") }
  }

  @Test(arguments: BlobStoreConformance.cases)
  func filesAreABlobStore(promise: ConformanceCase<any BlobStore>) async throws {
    let directory = try TemporaryDirectory()
    try await promise.check { try FileBlobStore(root: directory.path) }
  }
}
